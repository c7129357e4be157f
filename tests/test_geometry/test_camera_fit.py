"""The pose of a camera from the voxels that its pixels hit."""

from __future__ import annotations

import pytest
import torch

from mmssc.errors import DataError
from mmssc.geometry import depth_to_voxels, fit_camera_pose, voxel_pixel_mapping
from mmssc.structures import VoxelGrid

IMAGE_SIZE = (120, 160)
CAM2IMG = torch.tensor([[130.0, 0, 81], [0, 131.0, 62], [0, 0, 1]])
FINE = VoxelGrid((-2.4, -0.05, 0.5), 0.04, (120, 72, 120), ('x', 'z', 'y'), 'world')


def pose_of(tilt: float, roll: float, turn: float) -> torch.Tensor:
    """Camera over (0.2, -0.1), 1.4 m up, looking along y when every angle (radians) is 0."""

    def rotation(axis: int, angle: float) -> torch.Tensor:
        first, second = (index for index in range(3) if index != axis)
        matrix = torch.eye(3, dtype=torch.float64)
        c, s = torch.cos(torch.tensor(angle)), torch.sin(torch.tensor(angle))
        matrix[first, first] = matrix[second, second] = c
        matrix[first, second], matrix[second, first] = -s, s
        return matrix

    level = torch.tensor([[1, 0, 0], [0, 0, 1], [0, -1, 0]], dtype=torch.float64)
    pose = torch.eye(4, dtype=torch.float64)
    pose[:3, :3] = rotation(2, turn) @ level @ rotation(0, tilt) @ rotation(2, roll)
    pose[:3, 3] = torch.tensor([0.2, -0.1, 1.4])
    return pose


def room_depth(pose: torch.Tensor) -> torch.Tensor:
    """Depth of a floor, a ceiling and three walls."""
    v, u = torch.meshgrid(*(torch.arange(side).double() for side in IMAGE_SIZE), indexing='ij')
    camera = CAM2IMG.double()
    rays = torch.stack(
        [(u - camera[0, 2]) / camera[0, 0], (v - camera[1, 2]) / camera[1, 1], torch.ones_like(u)],
        -1,
    )
    rays = rays @ pose[:3, :3].T
    depth = torch.full(IMAGE_SIZE, 9.0, dtype=torch.float64)
    for axis, place in ((2, 0.0), (2, 2.5), (1, 4.0), (0, -1.9), (0, 2.1)):
        distance = (place - pose[axis, 3]) / rays[..., axis]
        depth = torch.where(distance > 0, torch.minimum(depth, distance), depth)
    return depth.float()


def mapping_of(pose: torch.Tensor) -> torch.Tensor:
    pixel_voxels = depth_to_voxels(room_depth(pose), CAM2IMG, pose.float(), FINE)
    return voxel_pixel_mapping(pixel_voxels, FINE, 2)


@pytest.mark.parametrize('angles', [(0, 0, 0), (0.4, 0.05, -0.1), (-0.2, -0.1, 0.3)])
def test_the_pose_comes_out(angles):
    pose = pose_of(*angles)
    fit = fit_camera_pose(mapping_of(pose), IMAGE_SIZE, CAM2IMG, FINE.coarsen(2))
    # A voxel is 8 cm, and of the pixels that hit it the last one is told.
    assert (fit.cam2grid[:3, 3] - pose[:3, 3]).abs().max() < 0.08
    assert (fit.cam2grid[:3, :3] - pose[:3, :3]).abs().max() < 0.02
    identity = torch.eye(3, dtype=torch.float64)
    torch.testing.assert_close(fit.cam2grid[:3, :3] @ fit.cam2grid[:3, :3].T, identity)
    assert fit.num_voxels > 500 and fit.error < 3


def test_intrinsics_of_another_camera_do_not_pass():
    wrong = CAM2IMG * torch.tensor([[0.35], [1.0], [1.0]])
    with pytest.raises(DataError, match='median error'):
        fit_camera_pose(mapping_of(pose_of(0.2, 0, 0)), IMAGE_SIZE, wrong, FINE.coarsen(2))


def test_too_few_voxels():
    with pytest.raises(DataError, match='50 or more'):
        fit_camera_pose(torch.full((4, 4, 4), -1), IMAGE_SIZE, CAM2IMG, FINE)
