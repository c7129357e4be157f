"""Scenes of two lidar scans that are joined at a plane through the sensor."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
import torch

from mmssc.datasets.transforms import JoinLidarScenes
from mmssc.errors import DataError
from mmssc.geometry import scan_to_occupancy
from mmssc.structures import VoxelGrid

GRID = VoxelGrid((0.0, -3.2, -0.8), 0.4, (16, 16, 8))


@pytest.fixture(autouse=True)
def seed():
    random.seed(0)


def make_results(number: int = 0, **changes):
    """A frame; its labels and the reflectance of its points are its number."""
    generator = np.random.default_rng(number)
    points = GRID.origin + generator.uniform(0, 1, (200, 3)) * (np.array(GRID.shape) * 0.4)
    points = points.astype(np.float32)
    results = dict(
        sequence='00', frame_id=str(number), voxel_grid=GRID, ignore_index=255, points=points,
        reflectance=np.full(len(points), number, np.float32),
        occupancy=scan_to_occupancy(torch.from_numpy(points), GRID).numpy(),
        gt_voxels=np.full(GRID.shape, number, np.uint8),
        eval_masks=dict(seen=np.full(GRID.shape, number > 0)),
    )  # fmt: skip
    return {**results, **changes}


def joined(**options):
    """Frame 0 joined with frame 1, which the transform draws."""
    join = JoinLidarScenes(loading=[], prob=1.0, **options)
    return join(make_results(draw_item=lambda: make_results(1)))


def test_each_side_of_the_plane_is_one_scene():
    turned = set()
    for _ in range(40):
        found = joined()
        other = found['gt_voxels'] == 1
        # Whole columns; nobody's labels are lost, and volumes change alike.
        assert (other == other[:, :, :1]).all() and other.any() and not other.all()
        assert np.array_equal(found['eval_masks']['seen'], other)
        expected = np.where(other, make_results(1)['occupancy'], make_results(0)['occupancy'])
        assert np.array_equal(found['occupancy'], expected)
        # A line through the sensor splits points and columns, at most 20 degrees from ahead.
        beyond = found['reflectance'] == 1
        angles = np.degrees(np.arctan2(found['points'][:, 1], found['points'][:, 0]))
        low, high = (angles[beyond], angles[~beyond])
        if low.mean() > high.mean():
            low, high = high, low
        assert low.max() <= high.min()
        assert high.min() >= -20 and low.max() <= 20
        turned.add((bool(angles[beyond].mean() > 0), round(float(high.min()))))
    # Both sides are replaced, at many angles.
    assert {side for side, _ in turned} == {False, True} and len(turned) > 20


def test_every_point_of_a_side_is_there_once():
    straight = joined(largest_angle=0.0)
    parts = []
    left_is_other = straight['gt_voxels'][0, -1, 0] == 1
    for number, is_left in ((0, not left_is_other), (1, left_is_other)):
        points = make_results(number)['points']
        parts.append(points[(points[:, 1] > 0) == is_left])
    assert np.array_equal(straight['points'], np.concatenate(parts))
    assert straight['points'].dtype == np.float32
    rows = np.flatnonzero((straight['gt_voxels'][0, :, 0] == 1) == left_is_other)
    assert rows.tolist() == list(range(8, 16))


def test_a_given_plane():
    normal = (-math.sin(0.1), math.cos(0.1))
    results = JoinLidarScenes([]).join(make_results(), make_results(1), normal)
    sides = results['points'][:, :2] @ np.array(normal) > 0
    assert np.array_equal(sides, results['reflectance'] == 1)


def test_the_probability_of_joining():
    join = JoinLidarScenes(loading=[], prob=0.3)
    counts = [
        join(make_results(draw_item=lambda: make_results(1)))['gt_voxels'].any() for _ in range(200)
    ]
    assert 0.2 < np.mean(counts) < 0.4


def test_the_frames_stay_as_they_are():
    first, second = make_results(), make_results(1)
    copies = [
        {key: one[key].copy() for key in ('points', 'occupancy', 'gt_voxels')}
        for one in (first, second)
    ]
    JoinLidarScenes([], prob=1.0)(dict(first, draw_item=lambda: second))
    for one, copy in zip((first, second), copies):
        for key, array in copy.items():
            assert np.array_equal(one[key], array)


@pytest.mark.parametrize(
    'sample, match',
    [
        (make_results(), 'draw_item'),
        (make_results(draw_item=lambda: make_results(1, occupancy=None)), 'occupancy.*loading'),
        (make_results(img=[np.zeros((2, 2, 3), np.uint8)]), 'draw_item'),
        (
            make_results(
                img=[np.zeros((2, 2, 3), np.uint8)], draw_item=lambda: make_results(1)
            ),
            'no array over the image',
        ),
    ],
)  # fmt: skip
def test_samples_that_cannot_be_joined(sample, match):
    with pytest.raises(DataError, match=match):
        JoinLidarScenes([], prob=1.0)(sample)


def test_points_without_reflectance_cannot_be_joined_with_some():
    other = make_results(1)
    del other['reflectance']
    with pytest.raises(DataError, match='expected reflectance of both frames'):
        JoinLidarScenes([], prob=1.0)(make_results(draw_item=lambda: other))


@pytest.mark.parametrize(
    'options, match', [(dict(prob=1.5), 'prob'), (dict(largest_angle=91), 'largest_angle')]
)
def test_wrong_options_are_refused(options, match):
    with pytest.raises(DataError, match=f'JoinLidarScenes.{match}'):
        JoinLidarScenes([], **options)
