"""Coordinates of depth points, merged heights, voxel places."""

from __future__ import annotations

import pytest
import torch

from mmssc.geometry.depth_to_points import depth_to_points
from mmssc.geometry.rigid import invert_rigid
from mmssc.geometry.working_volume import (
    depth_to_coordinates,
    merge_heights,
    normalized_centers,
    to_xyz_axes,
)
from mmssc.models.lifters import project_volume
from mmssc.structures import VoxelGrid

GRID = VoxelGrid((0.0, -6.4, -2.0), (0.4, 0.4, 0.4), (32, 32, 16))
CAM2IMG = torch.tensor([[30.0, 0, 16], [0, 30, 8], [0, 0, 1]], dtype=torch.float64)


@pytest.fixture
def lidar2cam(kitti_lidar2cam):
    return torch.from_numpy(kitti_lidar2cam)


def test_coordinates_are_those_of_the_lifted_points(lidar2cam):
    depth = torch.rand(16, 32, generator=torch.Generator().manual_seed(0)) * 10 + 1
    projection = torch.cat([CAM2IMG, torch.zeros(3, 1, dtype=torch.float64)], 1)
    points = depth_to_points(depth, projection, invert_rigid(lidar2cam), min_x=-99)
    expected = (points - torch.tensor(GRID.origin)) / 0.4
    found = depth_to_coordinates(depth, GRID, CAM2IMG, lidar2cam, half_voxel=0.0)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)
    halved = depth_to_coordinates(depth, GRID, CAM2IMG, lidar2cam, 2)
    torch.testing.assert_close(halved[:, :2], expected[:, :2] - 0.5, rtol=0, atol=1e-4)
    torch.testing.assert_close(halved[:, 2], (expected[:, 2] - 0.5) / 2, rtol=0, atol=1e-4)


def test_floor_gives_the_voxel_that_holds_the_point(lidar2cam):
    """Truncation takes points below the volume for inside and half of the others for lower."""
    depth = torch.rand(16, 32, generator=torch.Generator().manual_seed(0)) * 10 + 1
    views = {
        assignment: project_volume(depth, GRID, CAM2IMG, lidar2cam, 2, assignment)
        for assignment in ('floor', 'truncate')
    }
    exact = depth_to_coordinates(depth, GRID, CAM2IMG, lidar2cam, 2, half_voxel=0.0)
    assert torch.equal(views['floor'].voxels, exact.floor().long())
    assert not torch.equal(views['truncate'].voxels, views['floor'].voxels)
    assert ((views['floor'].voxels - views['truncate'].voxels).abs() <= 1).all()
    with pytest.raises(ValueError, match='assignment'):
        project_volume(depth, GRID, CAM2IMG, lidar2cam, 2, 'round')


def test_every_voxel_that_is_hit_is_proposed_once(lidar2cam):
    depth = torch.rand(16, 32, generator=torch.Generator().manual_seed(0)) * 10 + 1
    view = project_volume(depth, GRID, CAM2IMG, lidar2cam, 2)
    hit = {
        tuple(voxel)
        for voxel in view.voxels.tolist()
        if all(0 <= index < side for index, side in zip(voxel, (32, 32, 8)))
    }
    expected = sorted((x * 32 + y) * 8 + z for x, y, z in hit)
    assert view.proposals().tolist() == expected and len(expected) > 50
    place = view.points_to_volume(torch.tensor([[0.5, 0.5], [1.0, 1.0]]))
    for row, pixel in enumerate((8 * 32 + 16, 15 * 32 + 31)):
        expected = view.voxels[pixel] / torch.tensor([31, 31, 7])
        torch.testing.assert_close(place[row], expected.clamp(0, 1))


def test_merged_heights():
    pixels = torch.tensor([[1, -1], [2, -2], [5, 6], [8, 8]])
    visible = torch.tensor([False, True, False, False])
    mean, seen = merge_heights(pixels, visible, (1, 1, 4), 2)
    # Rounded towards zero, on either side of it.
    assert mean.tolist() == [[1, -1], [6, 7]] and seen.tolist() == [True, False]
    same, all_seen = merge_heights(pixels, visible, (1, 1, 4), 1)
    assert same is pixels and all_seen is visible


def test_places_of_the_voxels():
    corners = normalized_centers((3, 2, 1))
    assert corners[0, :, 0, 0].tolist() == [0, 0.5, 1] and corners[2].tolist() == [[[0], [0]]] * 3
    centers = normalized_centers((4, 2, 1), 'centers')
    assert centers[0, :, 1, 0].tolist() == [0.125, 0.375, 0.625, 0.875]
    assert centers[1, 0, :, 0].tolist() == [0.25, 0.75]
    with pytest.raises(ValueError, match='alignment'):
        normalized_centers((1, 1, 1), 'edges')


def test_xyz_axes_of_an_indoor_grid():
    grid = VoxelGrid((1.0, 3.0, 2.0), (0.1, 0.3, 0.2), (4, 6, 5), ('x', 'z', 'y'), 'world')
    xyz, order = to_xyz_axes(grid)
    assert (xyz.origin, xyz.shape, xyz.axes) == ((1, 2, 3), (4, 5, 6), ('x', 'y', 'z'))
    assert torch.zeros(grid.shape).permute(order).shape == xyz.shape and xyz.frame == 'world'
