"""VoxelGrid: centres, scales and the errors of a wrong description."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch

from mmssc.errors import DataError
from mmssc.structures import VoxelGrid

KITTI = dict(origin=(0, -25.6, -2), voxel_size=0.2, shape=(256, 256, 32))


def test_box_of_semantic_kitti():
    grid = VoxelGrid(**KITTI)
    assert grid.upper == pytest.approx((51.2, 25.6, 4.4))
    assert grid.num_voxels == 2_097_152
    coarse = grid.coarsen(2)
    assert coarse.shape == (128, 128, 16)
    assert coarse.upper == pytest.approx(grid.upper)


def test_centers_run_with_the_last_axis_fastest():
    grid = VoxelGrid((1, 2, 3), (0.5, 1.0, 2.0), (2, 3, 4))
    centers = grid.centers(torch.float64).reshape(2, 3, 4, 3)
    assert centers[0, 0, 0].tolist() == [1.25, 2.5, 4.0]
    assert centers[1, 2, 3].tolist() == [1.75, 4.5, 10.0]


def test_centers_are_columns_of_the_frame_whatever_the_array_order():
    plain = VoxelGrid((1, 2, 3), (0.5, 1.0, 2.0), (2, 3, 4))
    permuted = VoxelGrid((3, 1, 2), (2.0, 0.5, 1.0), (4, 2, 3), axes=('z', 'x', 'y'))
    expected = plain.centers().reshape(2, 3, 4, 3).permute(2, 0, 1, 3)
    assert torch.equal(permuted.centers().reshape(4, 2, 3, 3), expected)


def test_dictionary_round_trip():
    grid = VoxelGrid(**KITTI, frame='world')
    assert VoxelGrid.build(grid.to_dict()) == grid
    assert VoxelGrid.build(grid) is grid
    assert hash(VoxelGrid.build(grid.to_dict())) == hash(grid)


def test_attributes_are_tuples_whatever_the_arguments_are():
    grid = VoxelGrid(np.array((0, -25.6, -2)), 0.2, [256, 256, 32], list('xyz'))
    assert grid == VoxelGrid(**KITTI) == VoxelGrid(**{**KITTI, 'voxel_size': [0.2, 0.2, 0.2]})
    assert repr(grid) == (
        'VoxelGrid(origin=(0.0, -25.6, -2.0), voxel_size=(0.2, 0.2, 0.2), shape=(256, 256, 32), '
        "axes=('x', 'y', 'z'), frame='lidar')"
    )


def test_replace_and_pickle_keep_the_other_attributes():
    grid = VoxelGrid(**KITTI, frame='world')
    assert pickle.loads(pickle.dumps(grid)) == grid
    moved = replace(grid, origin=(1.0, 2.0, 3.0))
    assert moved == VoxelGrid((1, 2, 3), 0.2, (256, 256, 32), frame='world')
    with pytest.raises(DataError, match='voxel_size'):
        replace(grid, voxel_size=(0.2, 0.2, -0.2))


@pytest.mark.parametrize(
    ('change', 'field'),
    [
        (dict(shape=(256, 256)), 'shape'),
        (dict(shape=(256, 0, 32)), 'shape'),
        (dict(voxel_size=-0.2), 'voxel_size'),
        (dict(voxel_size=float('nan')), 'voxel_size'),
        (dict(origin=(0, 0, float('inf'))), 'origin'),
        (dict(axes=('x', 'y', 'y')), 'axes'),
        (dict(axes=5), 'axes'),
        (dict(axes=(1, 'x', 'y')), 'axes'),
        (dict(shape=2.9), 'shape'),
        (dict(shape=(2.9, 2, 2)), 'shape'),
        (dict(shape=(float('nan'), 2, 2)), 'shape'),
        (dict(shape=(True, 2, 2)), 'shape'),
        (dict(shape='222'), 'shape'),
        (dict(shape=('2', 2, 2)), 'shape'),
        (dict(shape=(2**40, 2, 2)), 'shape: expected at most 2147483647 voxels'),
        (dict(shape=(10**400, 2, 2)), 'shape'),
        (dict(shape=(10**5000, 2, 2)), 'shape: .*a number of more than 4300 digits'),
        (dict(shape=torch.tensor(4)), 'shape: expected 3 entries'),
        (dict(voxel_size='0.2'), 'voxel_size'),
        (dict(voxel_size=True), 'voxel_size'),
        (dict(voxel_size=None), 'voxel_size'),
        (dict(voxel_size=10**400), 'voxel_size'),
        (dict(voxel_size=1e308), 'voxel_size: expected a finite upper corner'),
        (dict(origin=('a', 0, 0)), 'origin'),
        (dict(origin=(False, 0, 0)), 'origin'),
        (dict(origin=5), 'origin'),
        (dict(origin='123'), 'origin'),
        (dict(origin=(10**400, 0, 0)), 'origin'),
        (dict(frame=5), 'frame'),
        (dict(size=5), 'settings: expected origin, voxel_size, shape, axes, frame, found .*size'),
    ],
)
def test_wrong_description_is_named(change, field):
    with pytest.raises(DataError, match=f'voxel grid: {field}'):
        VoxelGrid.build({**KITTI, **change})


def test_what_describes_no_grid_is_refused():
    for value in ([1], None, dict(shape=(2, 2, 2))):
        with pytest.raises(DataError, match='voxel grid: '):
            VoxelGrid.build(value)


def test_numbers_of_numpy_and_torch_are_numbers():
    shape = (np.int64(256), torch.tensor(256), 32.0)
    sizes = (np.full(3, 0.2), torch.full((3,), 0.2, dtype=torch.float64), np.float64(0.2))
    for size in (*sizes, np.array(0.2)):
        grid = VoxelGrid(torch.tensor([0, -25.6, -2], dtype=torch.float64), size, shape)
        assert grid == VoxelGrid(**KITTI)
        assert [type(value) for value in grid.shape] == [int] * 3


@pytest.mark.parametrize('factor', [0, -1, 1.5, '2', True, None, float('nan')])
def test_factors_are_whole(factor):
    for method in (VoxelGrid(**KITTI).coarsen, VoxelGrid(**KITTI).refine):
        with pytest.raises(DataError, match='voxel grid: factor'):
            method(factor)


def test_a_cut_is_a_part_of_the_grid():
    grid = VoxelGrid(**KITTI)
    part = grid.cut((16, 32, 0), (96, 96, 32))
    assert part.shape == (96, 96, 32) and part.voxel_size == grid.voxel_size
    expected = grid.centers().view(*grid.shape, 3)[16:112, 32:128]
    torch.testing.assert_close(part.centers().view_as(expected), expected)
    for first, shape in (((200, 0, 0), (96, 96, 32)), ((-1, 0, 0), (96, 96, 32))):
        with pytest.raises(DataError, match='a part of'):
            grid.cut(first, shape)


def test_coarsen_refuses_a_remainder():
    with pytest.raises(DataError, match='multiples of 3'):
        VoxelGrid(**KITTI).coarsen(3)


def test_only_the_frame_of_carla_is_left_handed():
    grid = VoxelGrid((-1, -1, -1), (0.4, 0.4, 0.375), (8, 8, 8), frame='carla')
    assert grid.is_left_handed and grid.coarsen(2).is_left_handed
    assert VoxelGrid.build(grid.to_dict()) == grid
    assert not any(
        VoxelGrid((0, 0, 0), 1, (2, 2, 2), frame=frame).is_left_handed
        for frame in ('lidar', 'world')
    )
