"""tools/misc/make_model_zoo.py: the page says what the metafiles say."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
import yaml
from tool_runs import ROOT

from mmssc.errors import DataError

METAFILE = """# A comment.
Collections:
  - Name: SGN
    Paper: {Title: A paper, URL: 'https://arxiv.org/abs/2312.05752'}
    Code: {URL: 'https://github.com/a/b'}
    README: configs/sgn/README.md
Models:
  - Name: published
    In Collection: SGN
    Config: CONFIG
    Metadata: {Parameters: 13124391, Source: reported by the authors}
    Results:
      - {Dataset: SemanticKITTI, Split: val, Metrics: {IoU: 46.21, mIoU: 15.32}}
  - Name: trained
    In Collection: SGN
    Config: CONFIG
    Metadata: {Source: reproduced here}
    Results:
      - {Dataset: NYU, Split: test, Metrics: {IoU: 70.7, mIoU: 31.1}}
    Weights: checkpoints/trained.pth
  - Name: planned
    In Collection: SGN
    Config: CONFIG
    Metadata: {Multiply-adds: 680000000000, Source: reproduced here}
    Results: []
"""


@pytest.fixture
def zoo(tmp_path, tool_in_process):
    """The tool, on a repository with one metafile: arguments -> status, output."""
    (tmp_path / 'docs/en').mkdir(parents=True)
    (tmp_path / 'model-index.yml').write_text('Import: [metafile.yml]')
    config = ROOT / 'configs/light/light_depth_nyu.py'
    (tmp_path / 'metafile.yml').write_text(METAFILE.replace('CONFIG', str(config)))
    run = tool_in_process('misc/make_model_zoo.py')
    return lambda *arguments: run('--root', tmp_path, *arguments)


def sections(folder: Path) -> dict[str, str]:
    page = (folder / 'docs/en/model_zoo.md').read_text('utf-8')
    return {part.partition('\n')[0]: part for part in page.split('\n## ')[1:]}


def test_the_page_of_this_repository_is_up_to_date(tool_in_process):
    assert tool_in_process('misc/make_model_zoo.py')('--check') == (0, '')


def test_reported_and_reproduced_figures_are_apart(zoo, tmp_path):
    assert zoo() == (0, '')
    parts = sections(tmp_path)
    reported, reproduced = parts['Reported by the authors'], parts['Reproduced here']
    link = '[{}](../../configs/sgn/README.md)'.format
    assert f'{link("published")} | SemanticKITTI, val | 46.21 | 15.32 |' in reported
    assert f'{link("trained")} | NYU, test | 70.70 | 31.10 |' in reproduced
    assert '46.21' not in reproduced and '70.70' not in reported
    assert f'- {link("planned")}' in parts['Without scores']
    sizes = parts['Size and speed']
    assert f'{link("published")} | 13.12 M | - | - | - | - |' in sizes
    assert f'{link("planned")} | - | 680.0 G | - | - | - |' in sizes and 'trained' not in sizes
    assert '| `trained` | `checkpoints/trained.pth` |' in parts['Weights in this repository']
    assert '[github.com/a/b](https://github.com/a/b)' in parts['Papers and official code']


def test_an_outdated_page_is_found(zoo, tmp_path):
    assert zoo('--check')[0] == 1
    zoo()
    assert zoo('--check')[0] == 0
    metafile = tmp_path / 'metafile.yml'
    metafile.write_text(metafile.read_text().replace('46.21', '46.22'))
    status, output = zoo('--check')
    assert status == 1 and 'make_model_zoo.py' in output


@pytest.mark.parametrize('text', ['[1, 2', 'Models: []', '- a list'])
def test_a_damaged_metafile_is_named(zoo, tmp_path, text):
    (tmp_path / 'metafile.yml').write_text(text)
    status, output = zoo()
    assert status == 2 and 'metafile.yml: expected' in output and 'Traceback' not in output


@pytest.mark.parametrize(
    ('old', 'new', 'found'),
    [
        ('    README:', '    Other:', "found no 'README'"),
        ('IoU: 46.21', 'IoU: many', 'found one of another kind: Unknown format code'),
        ('Collections:\n', 'Collections: 5\nOther:\n', "found one of another kind: 'int' object"),
        ('Collections:\n', f'Other: {"[" * 5000}\nCollections:\n', 'expected YAML, found'),
    ],
)  # fmt: skip
def test_a_wrong_entry_is_one_line(zoo, tmp_path, old, new, found):
    metafile = tmp_path / 'metafile.yml'
    assert old in metafile.read_text()
    metafile.write_text(metafile.read_text().replace(old, new))
    status, output = zoo()
    assert status == 2 and found in output and 'Traceback' not in output
    assert not (tmp_path / 'docs/en/model_zoo.md').exists()


def test_an_unknown_model_is_named(zoo):
    status, output = zoo('--measure', 'unknown')
    assert status == 2 and 'published, trained, planned' in output


@pytest.mark.parametrize(
    ('names', 'measured'), [(['planned'], ['planned']), ([], ['published', 'trained', 'planned'])]
)
def test_without_a_name_all_models_are_measured(zoo, tmp_path, names, measured):
    update = runpy.run_path(str(ROOT / 'tools/misc/make_model_zoo.py'))['update_metafiles']
    update.__globals__['measure'] = lambda config, folder: {'Seconds': 7}
    update(tmp_path, names)
    models = yaml.safe_load((tmp_path / 'metafile.yml').read_text())['Models']
    assert [one['Name'] for one in models if one['Metadata'].get('Seconds') == 7] == measured


def test_a_measurement_that_fails_does_not_stop_the_others(zoo, tmp_path):
    path = tmp_path / 'metafile.yml'
    head, name, rest = path.read_text().partition('- Name: trained')
    path.write_text(head + name + re.sub('Config: .*', 'Config: none.py', rest, count=1))
    update = runpy.run_path(str(ROOT / 'tools/misc/make_model_zoo.py'))['update_metafiles']

    def measure(config, folder):
        if config.name == 'none.py':
            raise DataError(config, None, 'benchmark.py without an error', 'the error above')
        return {'Seconds': 7}

    update.__globals__['measure'] = measure
    assert update(tmp_path, ['trained', 'planned']) == 1
    models = yaml.safe_load(path.read_text())['Models']
    assert [one['Name'] for one in models if one['Metadata'].get('Seconds') == 7] == ['planned']
    with pytest.raises(DataError, match='none.py'):
        update(tmp_path, ['trained'])


@pytest.mark.slow  # Builds a network and runs it.
def test_measured_figures_go_into_the_metafile_and_the_page(zoo, tmp_path):
    before = (tmp_path / 'metafile.yml').read_text().splitlines()
    assert zoo('--measure', 'trained')[0] == 0
    after = (tmp_path / 'metafile.yml').read_text().splitlines()
    (changed,) = [line for line in after if line not in before]
    metadata = yaml.safe_load(changed)['Metadata']
    assert metadata['Parameters'] == 1253424 and metadata['Source'] == 'reproduced here'
    assert metadata['Seconds'] > 0 and metadata['Measured On'] and metadata['Multiply-adds'] > 1e9
    multiply_adds = f'{metadata["Multiply-adds"] / 1e9:.1f} G'
    row = f'trained](../../configs/sgn/README.md) | 1.25 M | {multiply_adds} |'
    assert row in sections(tmp_path)['Size and speed']
