"""TSDF against closed forms and against a literal search, pooling, flipping, label weight."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch

import mmssc.geometry.tsdf
from mmssc.errors import DataError
from mmssc.geometry import (
    compute_tsdf,
    depth_to_voxels,
    flip_tsdf,
    label_weight,
    observed_voxels,
    pool_tsdf,
)
from mmssc.geometry.floor import tilted_camera
from mmssc.structures import VoxelGrid

SIZE, TRUNCATION = 0.1, 0.35
IMAGE = (90, 120)
# A wide view: 90 degrees across, so that every voxel of a wall in front is hit by a pixel.
CAMERA = torch.tensor([[60.0, 0, 59.5], [0, 60.0, 44.5], [0, 0, 1]])
POSE = tilted_camera(1.0)
GRID = VoxelGrid((-1.0, 0.0, 0.5), SIZE, (20, 20, 20), ('x', 'z', 'y'), 'world')


def tsdf_of(depth: torch.Tensor, grid: VoxelGrid = GRID, **options) -> torch.Tensor:
    pixels = depth_to_voxels(depth, CAMERA, POSE, grid)
    return compute_tsdf(depth, pixels, CAMERA, POSE, grid, TRUNCATION, **options)


def corners(grid: VoxelGrid = GRID) -> dict[str, torch.Tensor]:
    """World coordinates of the lower corners, (X, Y, Z) each."""
    ranges = [
        low + SIZE * torch.arange(count, dtype=torch.float64)
        for low, count in zip(grid.origin, grid.shape)
    ]
    return dict(zip(grid.axes, torch.meshgrid(*ranges, indexing='ij')))


def in_view(points: dict[str, torch.Tensor], margin: float) -> torch.Tensor:
    """Corners that stay in the image when they move by ``margin`` across the view."""
    ahead = points['y']
    across = (points['x'].abs() + margin) / ahead * 60
    down = ((points['z'] - 1).abs() + margin) / ahead * 60
    return (across < 59) & (down < 44)


def test_wall_in_front():
    wall = 1.73  # in the voxels 12 of y: 0.5 + 12 * 0.1 .. 1.8
    tsdf = tsdf_of(torch.full(IMAGE, wall))
    points = corners()
    steps = torch.arange(20.0) - 12
    expected = (steps.abs() * SIZE / TRUNCATION).clamp_max(1) * torch.where(steps > 0, -1.0, 1.0)
    expected = expected.expand(20, 20, 20)
    seen = in_view(points, 2 * SIZE)
    assert 0.2 < seen.double().mean() < 0.9
    torch.testing.assert_close(tsdf[seen], expected[seen], rtol=0, atol=1e-6)
    # outside the view nothing is known
    assert (tsdf[~in_view(points, -2 * SIZE)] == 0).all()


def box_depth() -> torch.Tensor:
    """Depth inside a corridor |x| < 0.85, 0.25 < z < 1.75, closed at y = 2.35."""
    row, column = torch.meshgrid(torch.arange(90.0), torch.arange(120.0), indexing='ij')
    across, down = (column - 59.5) / 60, (row - 44.5) / 60
    sides = torch.stack([0.85 / across.abs(), 0.75 / down.abs(), torch.full(IMAGE, 2.35)])
    return sides.amin(0)


def test_inside_a_box():
    tsdf = tsdf_of(box_depth())
    points = corners()
    # distance to the voxel layers of the five walls: x 1 and 18, z 2 and 17, y 18
    index = [torch.arange(20.0)] * 3
    x, z, y = torch.meshgrid(*index, indexing='ij')
    layers = torch.stack([x - 1, 18 - x, z - 2, 17 - z, 18 - y])
    inside = (layers > 0).all(0)
    expected = (layers.amin(0) * SIZE / TRUNCATION).clamp_max(1)
    # deep enough in the corridor that the nearest wall is in view
    seen = inside & (points['y'] > 1.5) & in_view(points, 0)
    assert seen.sum() > 1000
    torch.testing.assert_close(tsdf[seen], expected[seen], rtol=0, atol=1e-6)
    behind = (y == 19) & in_view(points, 2 * SIZE)
    assert (tsdf[behind] < 0).all()


def literal_tsdf(depth: np.ndarray, grid: VoxelGrid) -> np.ndarray:
    """Voxel by voxel: the pixel of the corner, and the nearest hit voxel in a box around it."""
    pixels = depth_to_voxels(torch.from_numpy(depth), CAMERA, POSE, grid).numpy()
    surface = np.zeros(grid.num_voxels, bool)
    surface[pixels[pixels >= 0]] = True
    hit = np.argwhere(surface.reshape(grid.shape))
    pose, camera = POSE.double().numpy(), CAMERA.double().numpy()
    tsdf = np.zeros(grid.shape, np.float32)
    for voxel in product(*map(range, grid.shape)):
        if surface.reshape(grid.shape)[voxel]:
            continue
        world = dict(zip(grid.axes, np.array(grid.origin) + SIZE * np.array(voxel)))
        point = pose[:3, :3].T @ (np.array([world[axis] for axis in 'xyz']) - pose[:3, 3])
        if point[2] <= 0:
            continue
        column, row, _ = camera @ point / point[2]
        column, row = int(np.floor(column + 0.5)), int(np.floor(row + 0.5))
        if not (0 <= row < IMAGE[0] and 0 <= column < IMAGE[1]):
            continue
        seen = depth[row, column]
        if not 0.5 <= seen <= 8:
            continue
        near = np.linalg.norm(hit - voxel, axis=1).min(initial=np.inf) * SIZE / TRUNCATION
        sign = 1 if seen > point[2] or abs(seen - point[2]) < 1e-4 else -1
        tsdf[voxel] = sign * min(1, near)
    return tsdf


@pytest.mark.parametrize('start', [0.5713, -0.6287], ids=['ahead', 'around the camera'])
@pytest.mark.parametrize('slab', [100, 10**6])
def test_equals_a_literal_search(monkeypatch, slab, start):
    monkeypatch.setattr(mmssc.geometry.tsdf, '_SLAB_VOXELS', slab)
    random = np.random.default_rng(0)
    coarse = random.uniform(0.4, 3.0, (9, 12))
    depth = coarse.repeat(10, 0).repeat(10, 1).astype(np.float32)
    depth[random.random(IMAGE) < 0.1] = 0
    depth[:8] = 9.5
    # Corners off the faces of pixels: the literal search is in float64.
    grid = VoxelGrid((-0.6137, 0.4171, start), SIZE, (12, 11, 13), ('x', 'z', 'y'), 'world')
    found = tsdf_of(torch.from_numpy(depth), grid).numpy()
    np.testing.assert_allclose(found, literal_tsdf(depth, grid), rtol=0, atol=1e-6)


def test_corners_on_the_optical_axis_behind_the_camera_are_not_seen():
    grid = VoxelGrid((-0.5, 0.5, -1.0), 0.125, (8, 8, 24), ('x', 'z', 'y'), 'world')
    tsdf = tsdf_of(torch.full(IMAGE, 1.5), grid)
    assert (tsdf[4, 4, :9] == 0).all() and (tsdf[4, 4, 9:15] > 0).all()


@pytest.mark.parametrize('axes', [('x', 'y', 'z'), ('z', 'x', 'y')])
def test_order_of_axes_only_permutes(axes):
    depth = box_depth()
    order = [GRID.axes.index(axis) for axis in axes]
    grid = VoxelGrid(
        tuple(GRID.origin[n] for n in order), SIZE, tuple(GRID.shape[n] for n in order), axes,
        'world',
    )  # fmt: skip
    assert torch.equal(tsdf_of(depth, grid), tsdf_of(depth).permute(order))


def test_depth_limits_take_pixels_out_of_the_tsdf():
    depth = torch.full(IMAGE, 1.73)
    depth[:, :60] = 0
    tsdf = tsdf_of(depth)
    assert (tsdf[:9] == 0).all() and (tsdf[12:] != 0).any()
    assert (tsdf_of(depth, depth_limits=(1.8, 8.0)) == 0).all()


def test_observed_voxels_are_told_from_unseen_ones():
    depth = torch.full(IMAGE, 1.73)
    pixels = depth_to_voxels(depth, CAMERA, POSE, GRID)
    observed = observed_voxels(tsdf_of(depth), pixels)
    assert observed[10, 10].all() and not observed[0, 0, :3].any()


def test_pooling_is_the_mean():
    volume = torch.rand(2, 8, 4, 12)
    expected = torch.nn.functional.avg_pool3d(volume, 4)
    torch.testing.assert_close(pool_tsdf(volume, 4), expected)
    with pytest.raises(DataError, match='multiples of 3'):
        pool_tsdf(volume, 3)


def test_flipping():
    tsdf = torch.tensor([1.0, 0.25, 0.0005, 0.0, -0.0005, -0.25, -1.0])
    expected = torch.tensor([0.001, 0.75, 0.9995, 1.0, 0.9995, -0.75, -0.001])
    torch.testing.assert_close(flip_tsdf(tsdf), expected)
    unseen = torch.tensor([False, False, False, True, False, False, False])
    assert flip_tsdf(tsdf, unseen)[3] == pytest.approx(0.001)


def test_label_weight():
    labels = torch.tensor([0, 0, 3, 3, 255, 255, 0], dtype=torch.uint8)
    tsdf = torch.tensor([0.0, -0.6, 1.0, -1.0, -0.4, -0.6, -0.5])
    assert label_weight(labels, tsdf).tolist() == [False, True, True, True, False, True, False]
    with pytest.raises(DataError, match='label weight: shape'):
        label_weight(labels, tsdf[1:])


@pytest.mark.parametrize(
    ('changes', 'text'),
    [
        (dict(truncation=0.0), 'truncation'),
        (dict(depth_limits=(8.0, 0.5)), 'depth_limits'),
        (dict(depth_limits=(-1.0, 0.5)), 'depth_limits'),
        (dict(depth=torch.ones(3, 4)), 'pixel_voxels'),
        (dict(depth=torch.ones(IMAGE, dtype=torch.int32)), 'depth'),
        (dict(cam2img=torch.eye(4)), 'cam2img'),
        (dict(cam2img=torch.tensor([[60.0, 1, 0], [0, 60, 0], [0, 0, 1]])), 'cam2img'),
        (dict(cam2world=2 * torch.eye(4)), 'cam2world'),
        (dict(cam2world=torch.full((4, 4), torch.nan)), 'cam2world'),
        (dict(pixel_voxels=torch.full(IMAGE, GRID.num_voxels)), 'pixel_voxels'),
    ],
)
def test_bad_input(changes, text):
    depth = torch.full(IMAGE, 1.73)
    arguments = dict(
        depth=depth, pixel_voxels=depth_to_voxels(depth, CAMERA, POSE, GRID), cam2img=CAMERA,
        cam2world=POSE, grid=GRID, truncation=TRUNCATION,
    )  # fmt: skip
    with pytest.raises(DataError, match=text):
        compute_tsdf(**{**arguments, **changes})
