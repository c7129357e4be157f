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
    ],
)
def test_wrong_description_is_named(change, field):
    with pytest.raises(DataError, match=field):
        VoxelGrid(**{**KITTI, **change})


def test_coarsen_refuses_a_remainder():
    with pytest.raises(DataError, match='multiples of 3'):
        VoxelGrid(**KITTI).coarsen(3)
