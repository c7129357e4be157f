"""The check of the floor search: rays, noise and the table of results."""

from __future__ import annotations

import sys
from collections import Counter

import pytest
import torch
from tool_runs import ROOT

from mmssc.geometry import tilted_camera
from mmssc.structures import VoxelGrid

sys.path.append(str(ROOT / 'tools/analysis_tools'))
import check_floor

CAM2IMG = torch.tensor([[130.0, 0, 79.5], [0, 130, 59.5], [0, 0, 1]])
GRID = VoxelGrid((-2.4, -0.05, 0.6), (0.08,) * 3, (60, 36, 60), ('x', 'z', 'y'), 'world')


def floor_frame() -> check_floor.Frame:
    """A camera 1.3 m above a floor, between walls 1.6 m to its left and 3.5 m ahead."""
    centers = GRID.centers().reshape(*GRID.shape, 3)
    distance = torch.stack([centers[..., 2], centers[..., 0] + 1.6, 3.5 - centers[..., 1]]).amin(0)
    pose = tilted_camera(1.3, 0.2)
    depth = check_floor.cast_rays((distance / 0.24).clamp(-1, 1), GRID, CAM2IMG, pose)
    return check_floor.Frame(depth, 0.3, CAM2IMG, pose)


def test_a_ray_ends_at_the_surface():
    frame = floor_frame()
    assert float(frame.depth[59, 100]) == pytest.approx(3.5, rel=0.05)
    noisy = check_floor.add_noise(frame.depth, 0)
    assert torch.equal(noisy == 0, frame.depth == 0)
    assert 0.001 < float((noisy - frame.depth).abs().max()) < 0.15
    angle, height = check_floor.pose_errors(frame._replace(depth=noisy), 0)
    assert angle < 2 and height < 0.05


def test_the_table(capsys):
    check_floor.report(Counter({(True, 'right'): 3, (True, 'refused'): 1, (False, 'refused'): 1}))
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ['with', 'floor', '4', '75.0%', '0.0%', '0.0%', '25.0%']
    assert lines[3].split() == ['all', '5', '60.0%', '0.0%', '0.0%', '40.0%']
