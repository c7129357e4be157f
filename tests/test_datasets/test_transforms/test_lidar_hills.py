"""Columns of a lidar scene that rise and sink."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from mmssc.datasets.transforms import RaiseLidarColumns
from mmssc.errors import DataError
from mmssc.geometry import scan_to_occupancy
from mmssc.structures import VoxelGrid

GRID = VoxelGrid((0.0, -3.2, -0.8), 0.4, (16, 16, 8))


def make_results():
    generator = np.random.default_rng(0)
    # Away from the faces of the voxels: float32 rounds there.
    cells = generator.integers(0, GRID.shape, (60, 3))
    points = GRID.origin + (cells + generator.uniform(0.1, 0.9, (60, 3))) * GRID.voxel_size
    points = points.astype(np.float32)
    labels = generator.integers(0, 5, GRID.shape).astype(np.uint8)
    return dict(
        sequence='00', frame_id='000000', voxel_grid=GRID, ignore_index=255, points=points,
        occupancy=scan_to_occupancy(torch.from_numpy(points), GRID).numpy(), gt_voxels=labels,
        eval_masks=dict(seen=labels > 2),
    )  # fmt: skip


def test_everything_in_a_column_rises_together():
    rise = np.random.default_rng(1).integers(-3, 4, GRID.shape[:2])
    before, after = make_results(), RaiseLidarColumns().raise_columns(make_results(), rise)
    for i, j in np.ndindex(*GRID.shape[:2]):
        labels = np.full(GRID.shape[2], 255)
        for k, label in enumerate(before['gt_voxels'][i, j]):
            if 0 <= k + rise[i, j] < GRID.shape[2]:
                labels[k + rise[i, j]] = label
        assert after['gt_voxels'][i, j].tolist() == labels.tolist()
        seen = (labels > 2) & (labels < 255)
        assert after['eval_masks']['seen'][i, j].tolist() == seen.tolist()
    # The points still fill the voxels.
    again = scan_to_occupancy(torch.from_numpy(after['points']), GRID).numpy()
    assert np.array_equal(again, after['occupancy'])
    assert after['points'].dtype == np.float32
    assert np.array_equal(before['points'], make_results()['points'])


def test_points_beside_the_grid_move_with_the_nearest_column():
    results = dict(make_results(), points=np.array([[-5, 0, 0], [99, 99, 1]], np.float32))
    rise = np.zeros(GRID.shape[:2], np.int64)
    rise[0], rise[-1, -1] = 1, -2
    moved = RaiseLidarColumns().raise_columns(results, rise)['points']
    np.testing.assert_allclose(moved[:, 2], (0.4, 0.2), atol=1e-6)


def test_a_slope_and_a_shift_are_planes():
    random.seed(0)
    flat = RaiseLidarColumns(shift=0, slope=0, bumps=0).draw(GRID)
    assert not flat.any()
    shifted = RaiseLidarColumns(shift=1.2, slope=0, bumps=0).draw(GRID)
    assert len(np.unique(shifted)) == 1 and abs(shifted).max() <= 3
    tilted = RaiseLidarColumns(shift=0, slope=1, bumps=0).draw(GRID)
    along_x, along_y = np.diff(tilted, axis=0), np.diff(tilted, axis=1)
    assert np.ptp(along_x) <= 1 and np.ptp(along_y) <= 1 and tilted.any()


def test_bumps_have_their_size_and_are_smooth():
    random.seed(0)
    bumpy = RaiseLidarColumns(shift=0, slope=0, bumps=2.0, spacing=1.6)
    drawn = np.stack([bumpy.draw(GRID) for _ in range(200)])
    # At a random height itself, in voxels of 0.4 m.
    assert drawn[:, 0, 0].std() == pytest.approx(5, rel=0.15)
    assert np.abs(np.diff(drawn, axis=1)).max() <= 1 + 4 * 2 * 5 / 4


@pytest.mark.parametrize(('name', 'value'), [('slope', -1), ('spacing', 0)])
def test_wrong_numbers_are_refused(name, value):
    with pytest.raises(DataError, match=f'RaiseLidarColumns.{name}'):
        RaiseLidarColumns(**{name: value})


def test_cameras_are_refused():
    with pytest.raises(DataError, match='a sample of a lidar alone'):
        RaiseLidarColumns()(dict(make_results(), img=[np.zeros((2, 2, 3), np.uint8)]))
