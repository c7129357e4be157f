"""The grid's corner as the origin of the reference frame."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmssc.datasets.transforms import ApplyCameraOffset, MoveOriginToGrid, SetIntrinsics
from mmssc.datasets.transforms.load_driving import lift_depth
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


def test_projections_with_the_offset_of_the_camera(kitti_lidar2cam):
    generator = np.random.default_rng(0)
    # Calibration of sequence 00: camera 2 is 6 cm left of camera 0, 3 mm behind it.
    projection = np.array(
        [
            [718.856, 0, 607.1928, 45.38225],
            [0, 718.856, 185.2157, -0.1130887],
            [0, 0, 1, 0.003779761],
        ]
    )
    before = dict(
        cam2img=projection[:, :3].copy(),
        P2=projection,
        lidar2cam=kitti_lidar2cam[None].repeat(2, 0),
    )
    after = ApplyCameraOffset()(dict(before))
    points = np.pad(generator.uniform((2, -20, -2), (50, 20, 3), (100, 3)), ((0, 0), (0, 1)))
    points[:, 3] = 1
    wanted = projection @ before['lidar2cam'] @ points.T
    np.testing.assert_allclose(after['P2'] @ after['lidar2cam'] @ points.T, wanted, atol=1e-9)
    np.testing.assert_allclose(
        after['cam2img'] @ (after['lidar2cam'] @ points.T)[:, :3], wanted, atol=1e-9
    )
    assert np.abs(before['lidar2cam'] @ points.T - after['lidar2cam'] @ points.T).max() > 0.05
    # Points of a depth map stay where they are, but for the offset along the optical axis (4 mm),
    # which lifting leaves out.
    depth = generator.uniform(2, 50, (6, 8)).astype(np.float32)
    lifted = [lift_depth(depth, s['P2'], s['lidar2cam'][0]) for s in (before, after)]
    np.testing.assert_allclose(*lifted, atol=5e-3)
