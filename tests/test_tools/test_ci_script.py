"""The script that every change has to pass, in a checkout whose steps do nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tool_runs import ROOT

DATA = ('datasets/NYU', 'samples/nyu', 'samples/semantickitti', 'samples/seven_scenes')


@pytest.mark.parametrize('status', [0, 3])
def test_the_script_leaves_the_data_beside_the_checkout_and_nothing_of_its_own(tmp_path, status):
    checkout, scratch = tmp_path / 'main', tmp_path / 'scratch'
    for folder in ('.ci', 'tools/misc'):
        (checkout / folder).mkdir(parents=True)
    scratch.mkdir()
    shutil.copy(ROOT / '.ci/run', checkout / '.ci/run')
    (checkout / 'tools/misc/setup_venv.sh').write_text(
        f'mkdir -p "$MMSSC_VENV/bin" && ln -s {shutil.which("true")} "$MMSSC_VENV/bin/python"\n'
    )
    (checkout / 'tools/run_tests.sh').write_text(f'env | grep ^MMSSC_\nexit {status}\n')
    frames = [tmp_path / 'shared' / name / 'frame.png' for name in DATA]
    for frame in frames:
        frame.parent.mkdir(parents=True)
        frame.touch()
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith('MMSSC_')
    }
    done = subprocess.run(
        ['bash', checkout / '.ci/run'], env={**environment, 'TMPDIR': str(scratch)},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == status, done.stderr
    assert all(frame.exists() for frame in frames)
    assert not list(scratch.iterdir())
    used = dict(line.split('=', 1) for line in done.stdout.splitlines())
    for variable, name in (
        ('MMSSC_NYU', 'datasets/NYU'), ('MMSSC_NYU_RAW', 'samples/nyu'),
        ('MMSSC_SAMPLES', 'samples/semantickitti'), ('MMSSC_SEVEN_SCENES', 'samples/seven_scenes'),
    ):  # fmt: skip
        assert Path(used[variable]).resolve() == (tmp_path / 'shared' / name).resolve()
