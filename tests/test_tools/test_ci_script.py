"""The script that every change has to pass, in a checkout whose steps do nothing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from tool_runs import ROOT

DATA = (
    'datasets/NYU', 'samples/nyu', 'samples/semantickitti', 'samples/seven_scenes',
    'samples/lidar/carlasc_weights',
)  # fmt: skip


# Every program of the environment: one of its checks may be told to fail.
PROGRAM = """#!/bin/sh
case "$(basename "$0") $*" in *"$FAILING_CHECK"*) exit 1 ;; esac
"""


@pytest.fixture
def checkout(tmp_path):
    """A checkout whose steps do nothing, beside it the data."""
    checkout = tmp_path / 'main'
    for folder in ('.ci', 'tools/misc', 'bin'):
        (checkout / folder).mkdir(parents=True)
    shutil.copy(ROOT / '.ci/run', checkout / '.ci/run')
    for name in ('python', 'lint-imports'):
        (checkout / 'bin' / name).write_text(PROGRAM)
        (checkout / 'bin' / name).chmod(0o755)
    # The script installs no browser where there is one.
    (checkout / 'programs').mkdir()
    (checkout / 'programs/chromium').write_text(PROGRAM)
    (checkout / 'programs/chromium').chmod(0o755)
    (checkout / 'tools/misc/setup_venv.sh').write_text(
        'mkdir -p "$MMSSC_VENV" && cp -r bin "$MMSSC_VENV"\n'
    )
    (checkout / 'tools/run_tests.sh').write_text(
        'env | grep ^MMSSC_\necho "arguments=$*"\nexit "$TEST_STATUS"\n'
    )
    (checkout / 'tools/build_docs.sh').write_text(PROGRAM)
    for name in DATA:
        (tmp_path / 'shared' / name).mkdir(parents=True)
        (tmp_path / 'shared' / name / 'frame.png').touch()
    return checkout


def run(checkout, failing_check='none', status=0):
    """Run the script with a scratch folder of its own, which has to be empty afterwards."""
    scratch = checkout.parent / 'scratch'
    scratch.mkdir()
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith('MMSSC_')
    }
    environment.update(TMPDIR=str(scratch), FAILING_CHECK=failing_check, TEST_STATUS=str(status))
    environment['PATH'] = f'{checkout / "programs"}:{environment["PATH"]}'
    done = subprocess.run(
        ['bash', checkout / '.ci/run'],
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert not list(scratch.iterdir())
    return done


@pytest.mark.parametrize('status', [0, 3])
def test_the_script_leaves_the_data_beside_the_checkout_and_nothing_of_its_own(checkout, status):
    done = run(checkout, status=status)
    assert done.returncode == status, done.stderr
    shared = checkout.parent / 'shared'
    assert all((shared / name / 'frame.png').exists() for name in DATA)
    used = dict(line.split('=', 1) for line in done.stdout.splitlines())
    for variable, name in (
        ('MMSSC_NYU', 'datasets/NYU'), ('MMSSC_NYU_RAW', 'samples/nyu'),
        ('MMSSC_SAMPLES', 'samples/semantickitti'), ('MMSSC_SEVEN_SCENES', 'samples/seven_scenes'),
        ('MMSSC_CARLASC_WEIGHTS', 'samples/lidar/carlasc_weights'),
    ):  # fmt: skip
        assert Path(used[variable]).resolve() == (shared / name).resolve()
    for later in ('notebook tests/test_tutorials.py', 'browser tests/test_visualization'):
        assert (f'arguments=-m {later}' in done.stdout) == (status == 0)
    allowed = Path(used['MMSSC_ALLOWED_SKIPS'])
    assert allowed == checkout / '.ci' / allowed.name and (ROOT / '.ci' / allowed.name).is_file()


@pytest.mark.parametrize(
    'check',
    ['ruff check', 'ruff format', 'mypy', 'lint-imports', 'check_metafiles.py', 'build_docs.sh'],
)
def test_no_test_is_run_after_a_check_that_fails(checkout, check):
    done = run(checkout, failing_check=check)
    assert done.returncode == 1 and not done.stdout


def test_the_workflow_runs_the_script_with_pinned_actions_and_few_rights():
    workflow = yaml.safe_load((ROOT / '.github/workflows/ci.yml').read_text('utf-8'))
    assert workflow['permissions'] == {'contents': 'read'}
    (job,) = workflow['jobs'].values()
    actions = [step['uses'] for step in job['steps'] if 'uses' in step]
    assert actions and all(re.fullmatch(r'[\w/-]+@[0-9a-f]{40}', action) for action in actions)
    assert [step['run'] for step in job['steps'] if 'run' in step] == ['bash .ci/run']
    assert 'permissions' not in job
