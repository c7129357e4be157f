import importlib
import subprocess
import sys
from importlib import metadata
from types import SimpleNamespace

import pytest
import torch
from tool_runs import ROOT, tool_environment


@pytest.fixture
def check_env(monkeypatch):
    """The tool as a module."""
    monkeypatch.syspath_prepend(str(ROOT / 'tools/misc'))
    return importlib.import_module('check_env')


def fake_distribution(folder, name, version):
    """Metadata that is found before that of the real package."""
    info = folder / f'{name}-{version}.dist-info'
    info.mkdir(parents=True)
    (info / 'METADATA').write_text(f'Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n')


def test_a_wrong_version_is_reported_with_its_fix(run_tool, tmp_path, monkeypatch):
    fake_distribution(tmp_path / 'fake', 'mmsegmentation', '0.30.0')
    monkeypatch.setenv('PYTHONPATH', str(tmp_path / 'fake'))
    lines = run_tool('misc/check_env.py', status=1).stdout.splitlines()
    (line,) = (number for number, line in enumerate(lines) if 'mmsegmentation' in line.split())
    assert 'WRONG' in lines[line] and '0.30.0' in lines[line]
    constraints = ROOT / 'requirements/constraints.txt'  # Not in the current folder.
    assert f"pip install -c {constraints} 'mmsegmentation" in lines[line + 1]
    assert lines[-1].startswith('1 problem')


def test_a_torch_that_does_not_load_is_reported(tmp_path, monkeypatch):
    (tmp_path / 'torch').mkdir()
    (tmp_path / 'torch/__init__.py').write_text("raise OSError('libcudart.so: no such file')")
    monkeypatch.setenv('PYTHONPATH', str(tmp_path))
    # A process of its own: those of run_tool have imported the true torch.
    done = subprocess.run(
        [sys.executable, ROOT / 'tools/misc/check_env.py'], env=tool_environment(),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    (line,) = (number for number, line in enumerate(lines) if 'import torch.nn' in line)
    assert 'WRONG' in lines[line] and 'OSError: libcudart.so: no such file' in lines[line]
    assert '--force-reinstall --no-deps torch' in lines[line + 1]
    assert 'problem(s)' in lines[-1]


def test_arrays_that_torch_cannot_take_are_a_problem(check_env, monkeypatch):
    assert check_env.check_combinations() == []

    def refuse(array):
        raise RuntimeError('Numpy is not available')

    monkeypatch.setattr(torch, 'from_numpy', refuse)
    (finding,) = check_env.check_combinations()
    assert 'Numpy is not available' in finding.found and "torch 'numpy<2'" in finding.fix


@pytest.mark.parametrize(
    ('name', 'problem'), [('spconv-cu126', 'ImportError: libcudart'), ('spconv', None)]
)
def test_an_spconv_that_does_not_run_is_a_problem(check_env, monkeypatch, name, problem):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'get_device_name', lambda: 'a GPU')
    packages = [SimpleNamespace(metadata={'Name': name})]
    monkeypatch.setattr(metadata, 'distributions', lambda: packages)
    monkeypatch.setattr(metadata, 'version', lambda name: '2.3.8')
    broken = {'spconv.pytorch': problem}
    monkeypatch.setattr(check_env, 'import_problem', broken.get)
    (finding,) = (finding for finding in check_env.accelerators() if finding.fix)
    assert finding.name == 'sparse convolution' and finding.found == (
        problem or 'CPU build of spconv'
    )
    broken.clear()
    if problem:
        assert not any(finding.fix for finding in check_env.accelerators())


def test_fixes_are_commands(check_env, monkeypatch):
    """What can be pasted into a shell: remarks come behind a #."""
    monkeypatch.setattr(check_env, 'installed', lambda name: '0.1')
    monkeypatch.setattr(check_env, 'import_problem', lambda module: 'ImportError')
    monkeypatch.setattr(check_env.sys, 'version_info', (3, 8, 0))
    findings = [check_env.check_python(), *map(check_env.check_requirement, check_env.required())]
    fixes = {finding.fix for finding in findings + check_env.check_imports()} - {None}
    assert len(fixes) > 15
    for fix in fixes:
        subprocess.run(['bash', '-n', '-c', fix], check=True)
