"""The shell scripts find the repository however they are called."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tool_runs import ROOT

# Prints where it runs and its arguments. As the Python of an environment, its version fits.
PROGRAM = """#!/bin/sh
case "$*" in
    *sys.version_info*) exit 0 ;;
    *'pip show'*) exit "${MMCV_STATUS:-0}" ;;
    *cores.py*) echo 1 ;;
    *check_env.py*) echo "in $PWD: $*; bytecode: ${PYTHONDONTWRITEBYTECODE:-kept}" ;;
    *) echo "in $PWD: $*" ;;
esac
"""
SCRIPTS = {
    'dist_train.sh': (['c.py', '2'], 'tools/train.py'),
    'dist_test.sh': (['c.py', 'm.pth', '2'], 'tools/test.py'),
    'slurm_train.sh': (['part', 'job', 'c.py'], 'tools/train.py'),
    'slurm_test.sh': (['part', 'job', 'c.py', 'm.pth'], 'tools/test.py'),
    'train_light.sh': (['cache', 'out'], 'tools/train.py'),
    'run_tests.sh': ([], 'tools/misc/check_env.py'),
    'quickstart.sh': ([], 'tools/misc/check_env.py'),
    'misc/setup_venv.sh': ([], 'tools/misc/check_env.py'),
}


@pytest.fixture
def clone(tmp_path) -> Path:
    """Scripts and requirements in a folder with blanks; ``srun`` and Python only print."""
    clone = tmp_path / 'a clone of mmssc'
    for name in ('tools', 'requirements', 'projects/monoscene/requirements.txt', 'setup.py',
                 'mmssc/version.py'):  # fmt: skip
        target = clone / name
        target.parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, target)
    for program in ('bin/srun', 'my venv/bin/python'):
        path = tmp_path / program
        path.parent.mkdir(parents=True)
        path.write_text(PROGRAM)
        path.chmod(0o755)
    last = clone / 'work_dirs/quickstart/last_checkpoint'
    last.parent.mkdir(parents=True)
    last.write_text('epoch_8.pth')
    for folder in (clone, tmp_path):
        for name in (
            'teacher_1',
            'teacher_2',
            'teacher_3',
            'light_seg-wide_nyu',
            'light_depth_nyu_mixed',
        ):
            (folder / 'out' / name).mkdir(parents=True)
            (folder / 'out' / name / 'last_checkpoint').write_text('epoch_8.pth')
    # Where `cd tools` would go.
    for trap in ('tools', 'a clone of mmssc', 'links'):
        (tmp_path / 'trap' / trap / 'misc').mkdir(parents=True)
    return clone


@pytest.mark.parametrize('call', ['from the clone', 'from its parent', 'through a link'])
@pytest.mark.parametrize('script', SCRIPTS)
def test_with_cdpath_blanks_and_links(clone, script, call):
    parent = clone.parent
    folder = clone if call == 'from the clone' else parent
    path = Path('tools', script) if folder == clone else Path(clone.name, 'tools', script)
    if call == 'through a link':
        (parent / 'links').mkdir()
        (parent / 'links/run').symlink_to(clone / 'tools' / script)
        path = Path('links/run')
    python = parent / 'my venv/bin/python'
    environment = {
        **os.environ, 'CDPATH': f'{parent / "trap"}', 'PYTHON': str(python),
        'MMSSC_VENV': str(python.parents[1]), 'PATH': f'{parent / "bin"}:{os.environ["PATH"]}',
    }  # fmt: skip
    arguments, program = SCRIPTS[script]
    done = subprocess.run(
        ['bash', str(path), *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f'{clone}/{program}' in done.stdout and 'trap' not in done.stdout
    last = {'run_tests.sh': '-m pytest', 'quickstart.sh': 'geometric_baselines.py'}.get(script)
    lines = [line for line in done.stdout.splitlines() if last and last in line]
    assert all(line.startswith(f'in {clone}: ') for line in lines) and bool(lines) == bool(last)


@pytest.mark.parametrize(
    ('status', 'extras', 'expected'),
    [(0, [], 'tests'), (1, [], 'lite,tests'), (0, ['tests,sparse'], 'sparse,tests')],
)
def test_an_environment_with_the_full_mmcv_keeps_it(clone, status, extras, expected):
    """``pip show mmcv`` says whether it is there."""
    environment = {
        **os.environ, 'MMCV_STATUS': str(status), 'MMSSC_VENV': str(clone.parent / 'my venv'),
    }  # fmt: skip
    done = subprocess.run(
        ['bash', str(clone / 'tools/misc/setup_venv.sh'), *extras],
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f'-e {clone}[{expected}]' in done.stdout


def test_what_the_commands_import_is_compiled_once(clone):
    """Images of containers often set the variable: then every command would compile it again."""
    environment = {
        **os.environ, 'PYTHONDONTWRITEBYTECODE': '1', 'MMSSC_VENV': str(clone.parent / 'my venv'),
    }  # fmt: skip
    done = subprocess.run(
        ['bash', str(clone / 'tools/misc/setup_venv.sh')],
        env=environment, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert 'check_env.py; bytecode: kept' in done.stdout


def test_extras_of_earlier_calls_are_kept(clone):
    script = clone / 'tools/misc/setup_venv.sh'
    environment = {**os.environ, 'MMSSC_VENV': str(clone.parent / 'my venv')}

    def installed(*extras: str) -> list[str]:
        done = subprocess.run(
            ['bash', str(script), *extras],
            env=environment, capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        return [line.split('-e ')[1] for line in done.stdout.splitlines() if ' -e ' in line]

    assert installed('') == [str(clone)]
    assert installed() == [f'{clone}[tests]']
    assert installed('') == installed('tests') == []
    assert installed('sparse') == [f'{clone}[sparse,tests]']
