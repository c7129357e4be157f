"""Pixels to voxels and back: round trips, ties, rotated cameras, bad input."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmssc.errors import DataError
from mmssc.geometry import (
    depth_to_voxels,
    depth_volumes,
    invert_mapping,
    invert_pixel_mapping,
    place_grid,
    voxel_pixel_mapping,
)
from mmssc.geometry.floor import tilted_camera
from mmssc.structures import VoxelGrid

CAMERA = torch.tensor([[40.0, 0, 31.5], [0, 42.0, 23.5], [0, 0, 1]])
IMAGE = (48, 64)
AXES = [('x', 'y', 'z'), ('x', 'z', 'y'), ('z', 'y', 'x')]


def scene(seed: int, axes: tuple[str, str, str]) -> tuple:
    random = np.random.default_rng(seed)
    pose = tilted_camera(
        random.uniform(0.5, 2), random.uniform(-0.6, 0.6), random.uniform(-0.3, 0.3)
    )
    depth = torch.from_numpy(random.uniform(0.3, 4, IMAGE).astype(np.float32))
    depth[torch.from_numpy(random.random(IMAGE) < 0.2)] = 0
    low = dict(x=-1.5, y=0.5, z=-0.1)
    grid = VoxelGrid(tuple(low[axis] for axis in axes), 0.1, (24, 20, 28), axes, 'world')
    return depth, pose, grid


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(AXES))
def test_depth_to_mapping_to_depth(seed, axes):
    """The depth of the pixel of a voxel is that of a point inside the voxel."""
    depth, pose, grid = scene(seed, axes)
    coarse = grid.coarsen(2)
    mapping = voxel_pixel_mapping(depth_to_voxels(depth, CAMERA, pose, grid), grid, 2)
    assert mapping.dtype == torch.int32 and mapping.shape == coarse.shape
    voxel = torch.nonzero(mapping.flatten() >= 0)[:, 0]
    pixel = mapping.flatten()[voxel].long()
    row, column = pixel // IMAGE[1], pixel % IMAGE[1]
    z = depth[row, column].double()
    assert (z > 0).all()
    camera = torch.stack([(column - 31.5) * z / 40, (row - 23.5) * z / 42, z], 1)
    world = camera @ pose[:3, :3].double().T + pose[:3, 3].double()
    world = world[:, ['xyz'.index(axis) for axis in axes]]
    centres = coarse.centers(torch.float64)[voxel][:, ['xyz'.index(axis) for axis in axes]]
    assert ((world - centres).abs() <= 0.1 + 1e-5).all()
    # every pixel names one voxel at most
    assert len(torch.unique(pixel)) == len(pixel)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_of_several_pixels_the_last_is_taken(seed):
    depth, pose, grid = scene(seed, AXES[1])
    pixels = depth_to_voxels(depth, CAMERA, pose, grid)
    expected = torch.full((grid.num_voxels,), -1)
    for pixel, voxel in enumerate(pixels.flatten().tolist()):
        if voxel >= 0:
            expected[voxel] = pixel
    assert torch.equal(voxel_pixel_mapping(pixels, grid).flatten().long(), expected)


def test_point_on_a_known_pixel():
    grid = VoxelGrid((-1.0, 0.0, 0.0), 0.5, (4, 4, 8), ('x', 'z', 'y'), 'world')
    depth = torch.zeros(IMAGE)
    depth[10, 50] = 2.0
    # x = 18.5 * 2 / 40 = 0.925, z = 1 + 13.5 * 2 / 42 = 1.64, y = 2
    voxels = depth_to_voxels(depth, CAMERA, tilted_camera(1.0), grid)
    assert int((voxels >= 0).sum()) == 1
    assert int(voxels[10, 50]) == (3 * 4 + 3) * 8 + 4


def test_no_depth_is_no_surface_even_with_the_camera_in_the_grid():
    grid = VoxelGrid((-1.0, 0.0, -1.0), 0.5, (4, 4, 8), ('x', 'z', 'y'), 'world')
    for value in (0.0, -1.0, math.nan, math.inf):
        voxels = depth_to_voxels(torch.full(IMAGE, value), CAMERA, tilted_camera(1.0), grid)
        assert (voxels == -1).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_inverses(seed):
    random = np.random.default_rng(seed)
    mapping = np.full(60, -1)
    voxels = random.permutation(60)[:25]
    mapping[voxels] = random.permutation(12 * 5)[:25]
    mapping = torch.from_numpy(mapping).view(3, 4, 5)
    inverse = invert_mapping(mapping, (12, 5))
    back = invert_pixel_mapping(inverse, 60)
    assert torch.equal(back, mapping.flatten())
    both = invert_mapping(torch.stack([mapping, mapping.flip(0)]), (12, 5))
    assert torch.equal(both[0], inverse) and both.shape == (2, 12, 5)


def test_of_voxels_that_share_a_pixel_the_last_is_taken():
    mapping = torch.tensor([7, -1, 7, 3]).view(1, 2, 2)
    assert invert_mapping(mapping, (2, 4)).flatten().tolist() == [-1, -1, -1, 3, -1, -1, -1, 2]


@pytest.mark.parametrize('bad', [-2, 8])
def test_indices_outside_are_refused(bad):
    with pytest.raises(DataError, match=rf'voxel_to_pixel: expected -1 or 0..7, found {bad}'):
        invert_mapping(torch.tensor([0, bad]).view(1, 1, 2), (2, 4))
    with pytest.raises(DataError, match='pixel_to_voxel'):
        invert_pixel_mapping(torch.tensor([0, bad]).view(1, 2), 8)
    with pytest.raises(DataError, match='pixel_voxels'):
        voxel_pixel_mapping(torch.tensor([[bad]]), VoxelGrid((0, 0, 0), 1, (2, 2, 2)))


def test_grid_of_a_real_frame_is_placed_by_sscnets_rule():
    # pose and origin of NYU 0001
    pose = torch.tensor(
        [
            [0.966989994, 0.0426630005, 0.251199991, 0],
            [-0.251468986, 0.00108700001, 0.967863977, 0],
            [0.0410190001, -0.99908900, 0.0117790001, 1.17950499],
            [0, 0, 0, 1],
        ]
    )
    grid = place_grid(pose, 0.02, (240, 144, 240))
    assert grid.origin == pytest.approx(
        (-2.4 + 3.4 * 0.2512, -0.05, -2.4 + 3.4 * 0.967864), abs=2e-6
    )
    assert grid.axes == ('x', 'z', 'y') and grid.frame == 'world'


def test_all_volumes_in_one_call():
    depth, pose, _ = scene(3, AXES[1])
    grid = VoxelGrid((-1.0, 0.0, 0.5), 0.2, (12, 10, 14), ('x', 'z', 'y'), 'world')
    volumes = depth_volumes(depth, CAMERA, pose, grid, factor=2, truncation=0.3)
    fine = grid.refine(2)
    pixels = depth_to_voxels(depth, CAMERA, pose, fine)
    assert torch.equal(volumes.pixel_to_voxel_fine, pixels)
    assert torch.equal(volumes.voxel_to_pixel, voxel_pixel_mapping(pixels, fine, 2))
    assert volumes.tsdf_fine.shape == fine.shape and volumes.tsdf.shape == grid.shape
    mean = torch.nn.functional.avg_pool3d(volumes.tsdf_fine[None], 2)[0]
    torch.testing.assert_close(volumes.tsdf, mean)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_a_gpu_gives_the_same():
    depth, pose, _ = scene(3, AXES[1])
    grid = VoxelGrid((-1.0, 0.0, 0.5), 0.2, (12, 10, 14), ('x', 'z', 'y'), 'world')
    expected = depth_volumes(depth, CAMERA, pose, grid)
    found = depth_volumes(depth.cuda(), CAMERA.cuda(), pose.cuda(), grid)
    assert torch.equal(found.voxel_to_pixel.cpu(), expected.voxel_to_pixel)
    assert torch.equal(found.pixel_to_voxel_fine.cpu(), expected.pixel_to_voxel_fine)
    torch.testing.assert_close(found.tsdf.cpu(), expected.tsdf, rtol=0, atol=1e-6)
