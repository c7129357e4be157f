"""The grid's corner as the origin of the reference frame."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmssc.datasets.transforms import MoveOriginToGrid, SetIntrinsics
from mmssc.errors import DataError
from mmssc.geometry import points_to_occupancy, voxel_to_pixel
from mmssc.structures import VoxelGrid

GRID = VoxelGrid((0.5, -0.5, -0.8), 0.08, (20, 12, 20), axes=('x', 'z', 'y'), frame='world')


def test_projections_and_points_stay_where_they_are(kitti_lidar2cam):
    points = np.random.default_rng(0).uniform((0.5, -0.8, -0.5), (2.1, 0.8, 0.46), (50, 3))
    before = dict(
        voxel_grid=GRID, lidar2cam=kitti_lidar2cam[None], points=points.astype(np.float32)
    )
    after = MoveOriginToGrid()(dict(before))
    assert after['voxel_grid'].origin == (0, 0, 0) and after['voxel_grid'].axes == GRID.axes
    cam2img = torch.tensor([[40.0, 0, 20], [0, 40, 15], [0, 0, 1]])
    results = [
        voxel_to_pixel(
            sample['voxel_grid'], torch.from_numpy(sample['lidar2cam']), cam2img, (30, 40)
        )
        for sample in (before, after)
    ]
    assert torch.equal(results[0][1], results[1][1])
    seen = results[0][1]
    assert seen.any() and (results[0][0] - results[1][0])[seen].abs().max() <= 1
    occupied = [
        points_to_occupancy(torch.from_numpy(s['points']), s['voxel_grid']) for s in (before, after)
    ]
    assert occupied[0].any() and torch.equal(*occupied)


def test_another_camera_in_the_size_of_the_images():
    matrix = [[100.0, 0, 40], [0, 90, 30], [0, 0, 1]]
    transform = SetIntrinsics(matrix, image_size=(60, 80))
    same = transform(dict(img_shape=(60, 80), cam2img=np.eye(3)))['cam2img']
    np.testing.assert_array_equal(same, matrix)
    half = transform(dict(img_shape=(30, 40)))['cam2img']
    np.testing.assert_array_equal(half, [[50, 0, 20], [0, 45, 15], [0, 0, 1]])
    with pytest.raises(DataError, match='3 x 3'):
        SetIntrinsics([1, 2, 3], image_size=(1, 1))
