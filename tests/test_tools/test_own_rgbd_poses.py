"""own_rgbd.py: what the floor and the box say against the pose that a user gives."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mmssc.formats.numpy_arrays import read_npz
from mmssc.formats.sscnet import write_plain_depth_mm

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / 'tools/dataset_converters/own_rgbd.py'


@pytest.fixture
def root(tmp_path) -> Path:
    """Two frames of a camera above a clear floor."""
    depth = read_npz(ROOT / 'tests/data/light/room.npz', ['depth_mm'])['depth_mm']
    (tmp_path / 'depth').mkdir()
    for name in 'ab':
        write_plain_depth_mm(tmp_path / f'depth/{name}.png', depth / 1000.0)
    return tmp_path


def run(root: Path, *options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, TOOL, root, '--camera', '259.43,259.43,160,120', *options]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True)


@pytest.mark.slow
@pytest.mark.parametrize('workers', [1, 2])
def test_a_pose_that_the_floor_contradicts_is_said_once(root, workers):
    """Workers print their warnings as the command does, and one for the folder.

    The second frame says that there are more.
    """
    done = run(root, '--height', 1.18, '--tilt', 25, '--workers', workers)
    lines = [line for line in done.stderr.splitlines() if 'frames: ' not in line]
    assert done.returncode == 0 and len(lines) == 2
    assert 'the same finding as in ' in lines[1]
    assert lines[0].startswith(f'warning: {root}/depth/') and '3.9 degrees up' in lines[0]
    assert 'the floor in the image does not fit the given pose' in lines[0]
    done = run(root, '--height', 1.18, '--tilt', -4, '--overwrite', '--workers', 1)
    assert 'warning' not in done.stderr


def test_a_height_in_millimetres_is_refused_once_before_the_work(root):
    done = run(root, '--height', 1400, '--workers', 1)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith('error: --height: expected metres')
    assert 'Did you mean 1.4 m (1400 mm)?' in done.stderr
    assert not (root / 'prepared').exists()


def test_numbers_with_spaces_are_told_the_right_form(root):
    done = run(root, '--camera', 585, 585, 320, 240)
    assert done.returncode == 2
    assert 'with commas and without spaces, such as 585,585,320,240' in done.stderr
