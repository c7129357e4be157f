"""own_rgbd.py: what the floor and the box say against the pose that a user gives."""

from __future__ import annotations

import math
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from test_own_rgbd import room_depth

from mmssc.formats.depth_units import DepthView, check_ground, scale_units
from mmssc.formats.numpy_arrays import read_npz
from mmssc.formats.sscnet import write_plain_depth_mm
from mmssc.geometry import tilted_camera
from mmssc.structures import VoxelGrid

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


@pytest.mark.parametrize('workers', [1, 2])
def test_a_pose_that_the_floor_contradicts_is_said_once(root, workers):
    """Workers print their warnings as the command does, and one for the folder."""
    done = run(root, '--height', 1.18, '--tilt', 25, '--workers', workers)
    lines = [line for line in done.stderr.splitlines() if 'frames: ' not in line]
    assert done.returncode == 0 and len(lines) == 1
    assert lines[0].startswith(f'warning: {root}/depth/') and '3.9 degrees up' in lines[0]
    assert 'the floor in the image does not fit the given pose' in lines[0]
    done = run(root, '--height', 1.18, '--tilt', -4, '--overwrite', '--workers', 1)
    assert 'warning' not in done.stderr


def test_a_depth_that_fits_a_room_has_the_right_unit():
    depth = room_depth(1.4, math.radians(30)).astype(np.float32)
    cam2img = np.array([[65, 0, 39.5], [0, 65, 29.5], [0, 0, 1]])
    grid = VoxelGrid((-2.4, 0, -0.05), 0.08, (60, 60, 36))
    view = DepthView(cam2img, tilted_camera(1.4).numpy(), grid)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        check_ground('a.png', depth, view, scale_units())
    with pytest.warns(UserWarning, match='It fits with --depth-scale 256'):
        check_ground('a.png', depth * 0.3, view, scale_units())
