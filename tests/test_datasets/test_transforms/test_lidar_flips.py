"""Reversing lidar scenes."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest
import torch

from mmssc.datasets.transforms import FlipLidarScene
from mmssc.errors import DataError
from mmssc.geometry import project_voxels, scan_to_occupancy
from mmssc.structures import VoxelGrid

GRID = VoxelGrid((0.0, -1.6, -0.8), 0.4, (8, 8, 4))


def make_results():
    generator = np.random.default_rng(0)
    points = generator.uniform(GRID.origin, GRID.upper, (40, 3)).astype(np.float32)
    labels = generator.integers(0, 5, GRID.shape).astype(np.uint8)
    lidar2cam = np.array([[0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 1], [0, 0, 0, 1.0]])
    return dict(
        sequence='00', frame_id='000000', voxel_grid=GRID, points=points,
        occupancy=scan_to_occupancy(torch.from_numpy(points), GRID).numpy(),
        gt_voxels=labels, gt_voxels_1_2=labels[::2, ::2, ::2],
        eval_masks=dict(nyu_ssc=labels > 2), lidar2cam=lidar2cam[None],
    )  # fmt: skip


@pytest.mark.parametrize('axes', [('x',), ('y',), ('x', 'y')])
def test_everything_is_reversed_together(axes):
    before, after = make_results(), FlipLidarScene().flip(make_results(), axes)
    numbers = tuple('xyz'.index(axis) for axis in axes)
    for key in ('occupancy', 'gt_voxels', 'gt_voxels_1_2'):
        assert np.array_equal(after[key], np.flip(before[key], numbers)), key
    mask = after['eval_masks']['nyu_ssc']
    assert np.array_equal(mask, np.flip(before['eval_masks']['nyu_ssc'], numbers))
    # The points still fill the voxels.
    again = scan_to_occupancy(torch.from_numpy(after['points']), GRID).numpy()
    assert np.array_equal(again, after['occupancy'])
    # Every voxel still projects to its pixel, but for the rounding of halves.
    camera = torch.tensor([[100.0, 0, 50], [0, 100, 40], [0, 0, 1]], dtype=torch.float64)
    pixels = [
        project_voxels(GRID, torch.from_numpy(results['lidar2cam'][0]), camera)[0].reshape(
            *GRID.shape, 2
        )
        for results in (before, after)
    ]
    assert (pixels[1] - pixels[0].flip(numbers)).abs().max() <= 1


def test_all_four_are_equally_likely():
    random.seed(0)
    volume = np.arange(256).reshape(GRID.shape)
    flip = FlipLidarScene()
    results = dict(sequence='', frame_id='', voxel_grid=GRID, gt_voxels=volume)
    counts = Counter(flip({**results})['gt_voxels'][0, 0, 0] for _ in range(2000))
    assert len(counts) == 4 and min(counts.values()) > 420
    only_y = FlipLidarScene(axes=('y',), prob=1)
    flipped = only_y(dict(sequence='', frame_id='', voxel_grid=GRID, gt_voxels=volume))
    assert np.array_equal(flipped['gt_voxels'], volume[:, ::-1])


def test_what_cannot_be_reversed_is_refused():
    results = {**make_results(), 'pixel_to_voxel': np.zeros((4, 5), np.int64)}
    with pytest.raises(DataError, match='pixel_to_voxel'):
        FlipLidarScene().flip(results, ('x',))
    for axes in (('z',), ('x', 'x')):
        with pytest.raises(DataError, match='FlipLidarScene.axes'):
            FlipLidarScene(axes=axes)
    with pytest.raises(DataError, match='FlipLidarScene.prob: expected a probability'):
        FlipLidarScene(prob=7)
