"""The pose of a camera from the floor it sees."""

from __future__ import annotations

import math

import pytest
import torch

from mmssc.errors import DataError
from mmssc.geometry import level_camera
from mmssc.geometry.floor import tilted_camera

CAMERA = torch.tensor([[130.0, 0, 79.5], [0, 130.0, 59.5], [0, 0, 1]])
IMAGE = (120, 160)


def depth_of_planes(pose: torch.Tensor, planes: list[tuple[tuple, float]]) -> torch.Tensor:
    """Depth of the nearest of world planes ``normal . x = offset`` along each pixel's ray."""
    row, column = torch.meshgrid(torch.arange(120.0), torch.arange(160.0), indexing='ij')
    rays = torch.stack([(column - 79.5) / 130, (row - 59.5) / 130, torch.ones(IMAGE)], -1)
    rays = rays @ pose[:3, :3].T
    depth = torch.full(IMAGE, torch.inf)
    for normal, offset in planes:
        normal = torch.tensor(normal)
        hit = (offset - normal @ pose[:3, 3]) / (rays @ normal)
        depth = torch.where((hit > 0) & (hit < depth), hit, depth)
    return torch.where(depth < 8, depth, 0.0)


ROOM = [((0.0, 0, 1), 0.0), ((0.0, 1, 0), 3.5), ((1.0, 0, 0), -1.6), ((1.0, 0, 0), 1.8)]


@pytest.mark.parametrize(
    ('height', 'tilt', 'roll'), [(1.2, 10, 0), (1.5, 25, 5), (0.9, 5, -8), (1.8, 35, 3)]
)
def test_room(height, tilt, roll):
    pose = tilted_camera(height, math.radians(tilt), math.radians(roll))
    depth = depth_of_planes(pose, ROOM)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(IMAGE, generator=generator) * 0.002 * depth**2
    found = level_camera(torch.where(depth > 0, depth + noise, 0.0), CAMERA)
    assert float(found[2, :3] @ pose[2, :3]) > math.cos(math.radians(0.5))
    assert float(found[2, 3]) == pytest.approx(height, abs=0.03)
    # the world turns with the camera: x = 0 along the optical axis
    assert found[0, 2] == pytest.approx(0, abs=1e-6) and found[1, 2] > 0
    torch.testing.assert_close(found[:3, :3] @ found[:3, :3].T, torch.eye(3), rtol=0, atol=1e-5)
    assert torch.det(found[:3, :3]) > 0


def test_table_over_a_floor_is_not_the_floor():
    pose = tilted_camera(1.6, math.radians(30))
    depth = depth_of_planes(pose, ROOM)
    table = depth_of_planes(pose, [((0.0, 0, 1), 0.7)])
    depth[20:, 60:] = table[20:, 60:]
    assert float(level_camera(depth, CAMERA)[2, 3]) == pytest.approx(1.6, abs=0.03)


def test_depth_beyond_the_room_plays_no_part():
    """What some cameras write where they measure nothing."""
    pose = tilted_camera(1.2, math.radians(20))
    depth = depth_of_planes(pose, ROOM)
    depth[:10] = 0
    expected = level_camera(depth, CAMERA)
    assert torch.equal(level_camera(torch.where(depth > 0, depth, 65.535), CAMERA), expected)
    with pytest.raises(DataError, match='floor'):
        level_camera(torch.full(IMAGE, 65.535), CAMERA)


def test_no_floor_in_view():
    wall = depth_of_planes(tilted_camera(1.2), [((0.0, 1, 0), 2.0)])
    with pytest.raises(DataError, match='floor.*Check the unit of the depth'):
        level_camera(wall, CAMERA)
    with pytest.raises(DataError, match='floor'):
        level_camera(torch.zeros(IMAGE), CAMERA)


def test_tilted_camera_looks_down_and_rolls_clockwise():
    pose = tilted_camera(1.4, tilt=math.radians(30), roll=math.radians(10))
    right, down, forward = pose[:3, :3].T
    assert forward[2] == pytest.approx(-0.5) and forward[0] == pytest.approx(0)
    # the right side of the image is lower
    assert right[2] < 0 and down[2] < 0 and pose[2, 3] == pytest.approx(1.4)
