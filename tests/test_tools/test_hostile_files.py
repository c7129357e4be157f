"""Pipes, devices and huge files as arguments of the tools: one line, exit status 2, no waiting."""

from __future__ import annotations

import logging
import os
import re
import resource
import runpy
import signal
import sys

import pytest
from tool_runs import ROOT, TOY_CONFIG

KINDS = dict(
    pipe='a named pipe|a pipe', device='a device', sparse='at most|found 4398046511104 bytes'
)
#: Name -> (tool, arguments; ``{bad}`` is the file).
ARGUMENTS = {
    'a.py': ('misc/print_config.py', ['{bad}']),
    'b.py': ('train.py', ['{bad}']),
    'c.py': ('test.py', ['{bad}', 'x.pth']),
    'd.py': ('misc/check_dataset.py', ['{bad}']),
    'e.py': ('misc/browse_dataset.py', ['{bad}']),
    'base.yaml': ('misc/print_config.py', ['{good}/derived.py']),
    'a.pth': ('test.py', ['{toy}', '{bad}']),
    'resume.pth': ('train.py', ['{toy}', '--resume', '{bad}', '--work-dir', '{good}/work']),
    'start.pth': (
        'train.py', ['{toy}', '--cfg-options', 'load_from={bad}', '--work-dir', '{good}/work'],
    ),
    'publish.pth': ('model_converters/publish_checkpoint.py', ['{bad}', '{good}/out.pth']),
    'import.pth': ('model_converters/import_checkpoint.py', ['sgn', '{bad}', '{good}/out.pth']),
    'figures.json': ('analysis_tools/geometric_baselines.py', ['{toy}', '--figures', '{bad}']),
    'other.json': ('analysis_tools/compare_results.py', ['{bad}', '{bad}', '--names', 'a', 'b']),
    'scalars.json': ('analysis_tools/analyze_logs.py', ['{bad}']),
    'case.npz': ('analysis_tools/check_parity.py', ['sgn-tiny', '--units', '{bad}']),
    'zipped.zip': ('misc/check_submission.py', ['{bad}']),
    'list.json': ('misc/check_submission.py', ['{good}', '--ann-file', '{bad}']),
    'volume.label': ('misc/render_voxels.py', ['{bad}', '--data', 'semantickitti']),
    'volume.npy': ('misc/render_voxels.py', ['{bad}']),
    'camera.txt': (
        'dataset_converters/own_rgbd.py', ['{good}', '--camera', '{bad}', '--depth', '*.png'],
    ),
    'synthetic.json': ('dataset_converters/make_synthetic.py', ['--out', '{bad_folder}']),
}  # fmt: skip


@pytest.fixture
def patient():
    """A tool that waits for a minute fails."""

    def stop(*_):
        raise TimeoutError('waited')

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Run a tool on ``{bad}`` -> exit status and what it prints on stderr."""
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '-1')
    monkeypatch.syspath_prepend(os.path.dirname(TOY_CONFIG))
    monkeypatch.chdir(tmp_path)
    # mmengine's logger keeps the stderr of an earlier test.
    monkeypatch.setattr(logging, 'raiseExceptions', False)
    good = tmp_path / 'good'
    good.mkdir()
    (good / 'derived.py').write_text(f"_base_ = '{tmp_path}/bad/base.yaml'\n")

    def start(tool, arguments, bad):
        names = dict(bad=bad, bad_folder=bad.parent, good=good, toy=TOY_CONFIG)
        monkeypatch.setattr(sys, 'argv', [tool, *(one.format(**names) for one in arguments)])
        with pytest.raises(SystemExit) as stopped:
            runpy.run_path(str(ROOT / 'tools' / tool), run_name='__main__')
        return stopped.value.code, capsys.readouterr().err

    return start


def make(path, kind):
    path.parent.mkdir()
    if kind == 'pipe':
        os.mkfifo(path)
    elif kind == 'device':
        path.symlink_to('/dev/zero')
    else:
        starts = {'.pth': b'\x80\x02', '.npz': b'PK\x03\x04', '.zip': b'PK\x03\x04'}
        path.write_bytes(starts.get(path.suffix, b'1'))
        os.truncate(path, 2**42)


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('name', ARGUMENTS)
def test_one_line_for_each_argument(tmp_path, patient, run, name, kind):
    bad = tmp_path / 'bad' / name
    make(bad, kind)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    status, text = run(*ARGUMENTS[name], bad)
    assert status == 2 and 'Traceback' not in text
    last = text.strip().splitlines()[-1]
    assert 'error: ' in last and name in last and re.search(KINDS[kind], last)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1024 * 1024
