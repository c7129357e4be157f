"""The order of the rooms: pyproject.toml and the architecture page agree, and a breach is found."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / 'docs/en/advanced_guides/architecture.md').read_text('utf-8')
LINT_IMPORTS = 'from importlinter.cli import lint_imports_command as run; run()'


@pytest.fixture
def copy(tmp_path):
    """A copy of the package and of the contracts that a test may break."""
    pytest.importorskip('importlinter')
    shutil.copy(ROOT / 'pyproject.toml', tmp_path)
    shutil.copytree(ROOT / 'mmssc', tmp_path / 'mmssc', ignore=shutil.ignore_patterns('*.pyc'))
    return tmp_path


def lint_imports(folder: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, '-c', LINT_IMPORTS, '--no-cache'],
        cwd=folder, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_the_code_keeps_the_order(copy):
    done = lint_imports(copy)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ('module', 'line'),
    [
        ('geometry/rigid.py', 'from mmssc.registry import MODELS'),
        ('structures/camera.py', 'from mmssc.geometry import pool_labels'),
        ('models/completors/sgn.py', 'def f():\n    from mmssc.datasets.nyu import NYUDataset'),
        ('datasets/nyu.py', 'import mmssc.models.completors.sgn'),
        ('checkpoints/publish.py', 'from mmssc.datasets import NYUDataset'),
        ('evaluation/score_table.py', 'from mmssc.visualization import panel'),
        ('engine/launch.py', 'def f():\n    from mmssc.apis import init_model'),
    ],
)
def test_an_import_that_runs_upwards_is_found(copy, module, line):
    with (copy / 'mmssc' / module).open('a', encoding='utf-8') as file:
        file.write(f'\n{line}\n')
    done = lint_imports(copy)
    changed = 'mmssc.' + module[: -len('.py')].replace('/', '.')
    assert done.returncode == 1 and 'BROKEN' in done.stdout, done.stdout + done.stderr
    assert f'{changed} ->' in done.stdout


def test_a_room_without_a_place_in_the_order_is_found(copy):
    (copy / 'mmssc/attic').mkdir()
    (copy / 'mmssc/attic/__init__.py').touch()
    done = lint_imports(copy)
    assert done.returncode == 1 and 'attic' in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize(('room', 'other'), [('models', 'datasets'), ('datasets', 'models')])
def test_models_and_datasets_load_without_each_other(room, other):
    script = f"import sys, mmssc.{room}; print('mmssc.{other}' in sys.modules)"
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', script],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == 'False'


def test_the_architecture_page_has_the_order_of_the_contract():
    contracts = (ROOT / 'pyproject.toml').read_text('utf-8')
    layers = re.search(r'^layers = \[\n(.*?)^\]', contracts, re.M | re.S).group(1)
    block = re.search(r'```text\n(.*?)\n```', PAGE, re.S).group(1)
    assert block.splitlines() == re.findall(r'^ +"([^"]+)"', layers, re.M)


def test_the_pages_of_the_architecture_and_of_the_modules_name_every_room():
    rooms = {path.parent.name for path in (ROOT / 'mmssc').glob('*/__init__.py')}
    assert set(re.findall(r'^\| `(\w+)/` \|', PAGE, re.M)) == rooms
    modules = (ROOT / 'docs/en/api.md').read_text('utf-8')
    # Users need nothing of compat.
    assert rooms - set(re.findall(r'`mmssc\.(\w+)`', modules)) == {'compat'}


def test_the_architecture_page_names_only_classes_that_exist():
    text = '\n'.join(path.read_text('utf-8') for path in (ROOT / 'mmssc').rglob('*.py'))
    named = set(re.findall(r'`([A-Z][a-z]*[A-Z]\w*|SGN|Scene)\b', PAGE))
    assert len(named) > 25
    assert {name for name in named if f'class {name}' not in text} == set()
