"""tools/analysis_tools/benchmark.py --against: two versions of mmssc, side by side."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from tool_runs import ROOT, TOY_CONFIG

from mmssc.errors import DataError
from mmssc.performance import OWN_FOLDER, Version, largest_difference, open_version, versions
from mmssc.performance.worker import share_weights

TOOL = 'analysis_tools/benchmark.py'
CONFIG = ROOT / 'configs/quickstart/light_synthetic.py'
QUICK = ('--synthetic-input', '--shape', 24, 32, '--rounds', 1, '--threads', 1)
SMALL = ('--cfg-options', 'model.voxel_grid.shape=20,12,20')


@pytest.fixture(scope='module')
def copy(tmp_path_factory):
    """Another version: a class is never predicted, a module is renamed, a config is missing."""
    folder = tmp_path_factory.mktemp('other')
    for name in ('mmssc', 'configs'):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns('*.pyc'))
    (folder / 'configs/quickstart/sgn_synthetic.py').unlink()
    path = folder / 'mmssc/models/completors/base_completor.py'
    text = path.read_text('utf-8')
    changed = text.replace('volume.max(dim=0)', 'volume[1:].max(dim=0)')
    assert changed != text
    path.write_text(changed, 'utf-8')
    path = folder / 'mmssc/models/completors/light.py'
    text = path.read_text('utf-8')
    assert 'self.head' in text
    path.write_text(text.replace('self.head', 'self.volume_head'), 'utf-8')
    return folder


@pytest.mark.slow
def test_two_versions_are_measured_and_compared(run_tool, tmp_path, copy):
    done = run_tool(
        TOOL, CONFIG, *QUICK, '--against', copy, '--against-env', 'MMSSC_KEEP_MEMORY=0',
        '--iters', 2, '--out', 'figures.json', *SMALL, status=1,
    )  # fmt: skip
    result = json.loads((tmp_path / 'figures.json').read_text())
    assert result['environment'] == {'MMSSC_KEEP_MEMORY': '0'}
    inference, training = result['comparisons']
    assert (inference['run'], training['run']) == ('inference', 'training')
    # The networks are equal: only the ids differ.
    assert inference['difference'] > 0.1 and training['difference'] == 0
    for one in (inference, training):
        own, other = one['versions']
        assert (own['version'], other['version']) == ('this version', str(copy))
        assert len(own['cpu_seconds']) == len(other['wall_seconds']) == 2
        assert own['peak_mib'] > 100
        assert own['multiply_adds'] == other['multiply_adds'] > 1e6
        assert one['ratio'] == min(other['cpu_seconds']) / min(own['cpu_seconds'])
    # A training step: forward pass and two gradients of nearly every product.
    adds = [one['versions'][0]['multiply_adds'] for one in (inference, training)]
    assert 2.5 < adds[1] / adds[0] < 3
    assert 'multiply-adds a second' in done.stdout and 'share of the peak' in done.stdout
    assert 'the outputs differ by more than 0.0001 (--tolerance)' in done.stdout


@pytest.mark.slow
def test_equal_versions_end_with_0(run_tool):
    done = run_tool(TOOL, CONFIG, *QUICK, '--runs', 'inference', '--against', ROOT, *SMALL)
    assert 'outputs: 0.0e+00' in done.stdout


@pytest.mark.slow
def test_mixed_precision_against_float32(run_tool, tmp_path):
    options = '--amp', '--against-float32', '--warmup', 0, '--out', 'figures.json'
    run_tool(TOOL, CONFIG, *QUICK, '--against', ROOT, *options, *SMALL)
    result = json.loads((tmp_path / 'figures.json').read_text())
    assert result['amp'] and result['against_float32']
    for one in result['comparisons']:
        # In the same precision, the two would be equal.
        assert 1e-5 < one['difference'] < 0.03
        assert [version['multiply_adds'] for version in one['versions']] == [None, None]


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ([CONFIG, '--against', 'nowhere'],
         '--against: expected a folder with the package mmssc, or a commit, tag or branch of this '
         'clone, found nowhere'),
        ([ROOT / 'configs/quickstart/sgn_synthetic.py', '--against', '{copy}'],
         'expected this config in {copy}, found none. Give a config that both versions have'),
        ([CONFIG, TOY_CONFIG], 'give one config, or compare with --against'),
        ([CONFIG, '--against', '{copy}', '--against-env', 'X'], 'X: expected NAME=VALUE'),
        ([CONFIG, '--against-env', 'X=1'], '--against-env needs --against'),
        ([CONFIG, '--against-float32'], '--against-float32 needs --against'),
        ([CONFIG, '--against', '{copy}', '--against-float32'], '--against-float32 needs --amp'),
        ([CONFIG, '--rounds', 0], '--rounds must be 1 or more'),
    ],
)  # fmt: skip
def test_wrong_use_is_one_line(arguments, message, run_tool, copy):
    words = [str(word).format(copy=copy) for word in arguments]
    done = run_tool(TOOL, *words, *QUICK[:4], status=2)
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith('error: ') and message.format(copy=copy) in line


@pytest.mark.parametrize('second', ['nowhere.py', ROOT / 'configs/quickstart/sgn_synthetic.py'])
def test_a_second_config_is_checked_before_the_first_is_measured(second, run_tool, copy):
    done = run_tool(TOOL, CONFIG, second, '--against', copy, *QUICK, status=2)
    assert Path(second).name in done.stderr and not done.stdout


@pytest.mark.slow
def test_a_version_that_fails_says_why(run_tool, tmp_path):
    folder = tmp_path / 'broken'
    shutil.copytree(ROOT / 'mmssc', folder / 'mmssc')
    (folder / 'mmssc/registry.py').write_text('raise RuntimeError("a bug of this version")\n')
    (folder / 'configs').symlink_to(ROOT / 'configs')
    done = run_tool(TOOL, CONFIG, *QUICK, '--against', folder, *SMALL, status=2)
    assert 'found RuntimeError: a bug of this version. MMSSC_TRACEBACK=1' in done.stderr


def test_the_files_of_a_commit_are_removed_at_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr(versions, 'OWN_FOLDER', tmp_path)
    (tmp_path / 'mmssc').mkdir()
    file = tmp_path / 'mmssc/__init__.py'
    file.write_text('old = True\n')
    git = ['git', '-C', str(tmp_path), '-c', 'user.name=a', '-c', 'user.email=a@example.org']
    for words in (['init', '-q'], ['add', '.'], ['commit', '-qm', 'First'], ['tag', 'v1']):
        subprocess.run([*git, *words], check=True)
    file.write_text('old = False\n')
    with open_version('v1') as version:
        assert (version.folder / 'mmssc/__init__.py').read_text() == 'old = True\n'
        assert version.config(file) == version.folder / 'mmssc/__init__.py'
        assert version.config(Path(__file__)) == Path(__file__)
    assert not version.folder.exists()
    with pytest.raises(DataError, match='found v2'), open_version('v2'):
        pass
    with pytest.raises(DataError, match='--output=x'), open_version('--output=x'):
        pass


def test_a_project_is_that_of_the_other_version(tmp_path):
    version = Version('old', tmp_path / 'old')
    entries = [OWN_FOLDER, OWN_FOLDER / 'projects/monoscene', tmp_path]
    expected = [version.folder, version.folder / 'projects/monoscene', tmp_path]
    path = version.python_path(os.pathsep.join(map(str, [*entries, ''])))
    assert path == os.pathsep.join(map(str, expected))


def test_renamed_modules_get_the_same_weights(tmp_path):
    def network(names, widths=(2, 3)):
        layers = [torch.nn.Linear(2, widths[0]), torch.nn.Linear(widths[0], widths[1])]
        return torch.nn.ModuleDict(dict(zip(names, layers)))

    first, second = network(['neck', 'head']), network(['image_head', 'head'])
    for model in (first, second):
        share_weights(model, tmp_path / 'weights')
    pairs = list(zip(first.parameters(), second.parameters()))
    assert len(pairs) == 4 and all(torch.equal(one, other) for one, other in pairs)
    with pytest.raises(ValueError, match='other names and shapes'):
        share_weights(network(['image_head', 'head'], (4, 3)), tmp_path / 'weights')


def test_outputs_are_compared_by_their_scale():
    first = dict(
        logits=torch.tensor([100.0, 1]), ids=torch.tensor([1, 2, 3, 4]), gone=torch.ones(1)
    )
    second = dict(first, logits=torch.tensor([100.0, 2]), new=torch.ones(1))
    del second['gone']
    assert largest_difference(first, second) == pytest.approx(0.01)
    second['ids'] = torch.tensor([1, 2, 3, 5])
    assert largest_difference(first, second) == 0.25
    assert largest_difference(first, dict(logits=torch.ones(3))) == float('inf')
    assert largest_difference(first, {}) == float('inf')
