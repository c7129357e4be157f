"""The project's package, importable for its tests only."""

from __future__ import annotations

import importlib.util
import sys
from functools import partial
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
DATA = Path(__file__).parent / 'data'
ROOT = PROJECT.parents[1]
sys.path.append(str(ROOT / 'tests'))  # what tests of several packages share


@pytest.fixture(scope='session', autouse=True)
def _project():
    from mmssc.plugins import import_project

    for part in (None, 'checkpoints', 'parity'):
        import_project(PROJECT, part)
    yield
    sys.path.remove(str(PROJECT))


@pytest.fixture
def monoscene_data() -> Path:
    """Manifests and case files."""
    return DATA


@pytest.fixture
def geffnet():
    """Skips a test where EfficientNet's package is missing."""
    reason = 'geffnet is missing: pip install --no-deps -r projects/monoscene/requirements.txt'
    return pytest.importorskip('geffnet', reason=reason)


@pytest.fixture
def run_tool_of_project(monkeypatch, capsys):
    """``(tool, *arguments)`` in this process, with --project -> (exit status, output)."""

    def run(name, *arguments):
        path = ROOT / 'tools' / name
        spec = importlib.util.spec_from_file_location(f'{path.stem}_of_monoscene', path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        command = [str(path), *map(str, arguments), '--project', str(PROJECT)]
        monkeypatch.setattr(sys, 'argv', command)
        status = module.main()
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    return run


@pytest.fixture
def run_parity(run_tool_of_project):
    """``check_parity.py`` with the project."""
    return partial(run_tool_of_project, 'analysis_tools/check_parity.py')


@pytest.fixture
def run_importer(run_tool_of_project):
    """``import_checkpoint.py`` with the project."""
    return partial(run_tool_of_project, 'model_converters/import_checkpoint.py')
