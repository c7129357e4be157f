"""Frustums of the image's cells against the masks they stand for."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmssc.errors import DataError
from mmssc.geometry import (
    NO_FRUSTUM,
    assign_frustums,
    count_frustum_classes,
    field_of_view_mask,
    frustum_index,
)
from mmssc.structures import VoxelGrid

LIDAR2CAM = torch.tensor(
    [[0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1]], dtype=torch.float64
)
CAM2IMG = torch.tensor([[40.0, 0, 20], [0, 40, 15], [0, 0, 1]], dtype=torch.float64)
SIZE = (29, 41)


def make_projections(count: int = 4000) -> tuple[torch.Tensor, torch.Tensor]:
    random = np.random.default_rng(0)
    pixels = np.stack([random.integers(-10, 60, count), random.integers(-10, 40, count)], 1)
    return torch.from_numpy(pixels), torch.from_numpy(random.normal(2, 3, count))


@pytest.mark.parametrize('cells', [1, 4, 8, 15])
def test_index_stands_for_the_masks(cells: int) -> None:
    pixels, depth = make_projections()
    index = assign_frustums(pixels, depth, SIZE, cells)
    assert index.dtype == torch.uint8
    u, v = pixels.numpy().T
    union = np.zeros(len(u), bool)
    for row in range(cells):
        for column in range(cells):
            # The definition, one mask per cell, borders in float64.
            mask = (v >= row / cells * SIZE[0]) & (v < (row + 1) / cells * SIZE[0])
            mask &= (u >= column / cells * SIZE[1]) & (u < (column + 1) / cells * SIZE[1])
            mask &= depth.numpy() > 0
            np.testing.assert_array_equal(index.numpy() == row * cells + column, mask)
            union |= mask
    assert 0 < union.sum() < len(u)
    np.testing.assert_array_equal(index.numpy() == NO_FRUSTUM, ~union)


def test_frustums_partition_the_field_of_view() -> None:
    grid = VoxelGrid((-2, -4, -2), 0.5, (16, 16, 8))
    index = frustum_index(grid, LIDAR2CAM, CAM2IMG, SIZE)
    seen = field_of_view_mask(grid, LIDAR2CAM, CAM2IMG, SIZE, rule='monoscene')
    assert index.shape == grid.shape
    assert torch.equal(index != NO_FRUSTUM, seen)
    # Left in the image is positive y, the top is positive z.
    assert index[15, 15, 7] == NO_FRUSTUM and index[15, 8, 4] == 3 * 8 + 3
    both = frustum_index(grid, torch.stack([LIDAR2CAM, LIDAR2CAM]), CAM2IMG, SIZE)
    assert torch.equal(both[1], index)


def test_counts_leave_out_unlabelled_and_unseen_voxels() -> None:
    index = torch.tensor([0, 0, 1, 1, 1, NO_FRUSTUM], dtype=torch.uint8)
    labels = torch.tensor([2, 2, 0, 255, 1, 2], dtype=torch.uint8)
    counts = count_frustum_classes(index, labels, 3, 3)
    assert counts.tolist() == [[0, 0, 2], [1, 1, 0], [0, 0, 0]]


@pytest.mark.parametrize('cells', [0, 16])
def test_number_of_cells_must_fit_the_index(cells: int) -> None:
    with pytest.raises(DataError, match='between 1 and 15'):
        assign_frustums(*make_projections(1), SIZE, cells)
