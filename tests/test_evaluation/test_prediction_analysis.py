"""Scores over distance and height of errors that were put there."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from mmssc.errors import DataError
from mmssc.evaluation import SSCMetric
from mmssc.evaluation.functional import local_scores
from mmssc.evaluation.prediction_analysis import PredictionAnalysis
from mmssc.evaluation.voxel_places import default_steps, distance_steps, height_steps
from mmssc.structures import SSCDataSample, VoxelGrid
from mmssc.testing.random_rgbd_sample import random_rgbd_sample

GRID = VoxelGrid((0, -4, -2), 1.0, (16, 8, 4))


def make_sample(grid: VoxelGrid, target: torch.Tensor, frame: str = '1', **meta) -> SSCDataSample:
    sample = SSCDataSample(metainfo=dict(sequence='00', frame_id=frame, voxel_grid=grid, **meta))
    sample.gt_voxels = target
    return sample


def test_an_error_far_away_and_one_high_up_are_found_there():
    target = torch.ones(GRID.shape, dtype=torch.uint8)
    prediction = target.clone()
    prediction[12:, :, 0] = 0  # x from 12 m on, lowest layer
    analysis = PredictionAnalysis(2, distance_step=4, height_step=1)
    assert analysis.add(make_sample(GRID, target), prediction) == '00/1'
    # Without a camera, the sensor is the origin. By hand: the distances of the columns.
    x, y = np.meshgrid(np.arange(16) + 0.5, np.arange(8) - 3.5, indexing='ij')
    step = np.floor(np.hypot(x, y) / 4).astype(int)
    assert sorted(analysis.by_distance) == np.unique(step).tolist()
    for number, counts in analysis.by_distance.items():
        columns = step == number
        missed = (columns & (x > 12)).sum()
        assert counts.confusion.tolist() == [[0, 0], [missed, 4 * columns.sum() - missed]]
    assert analysis.height_start == -2
    assert {n: local_scores(one)[0] for n, one in analysis.by_height.items()} == {
        0: 75, 1: 100, 2: 100, 3: 100
    }  # fmt: skip


def test_distance_is_from_the_camera_and_in_any_order_of_axes():
    grid = VoxelGrid((1, 0, 2), 0.5, (4, 3, 6), ('x', 'z', 'y'), 'world')
    steps = distance_steps(grid, torch.tensor([1.25, 2.25, 9.0], dtype=torch.float64), 0.5)
    assert steps.shape == (4, 3, 6) and torch.equal(steps[:, 0], steps[:, 2])
    assert steps[:, 0, 0].tolist() == [0, 1, 2, 3] == steps[0, 0, :4].tolist()
    assert height_steps(grid, 0, 0.5)[2, :, 5].tolist() == [0, 1, 2]
    world2cam = np.eye(4)
    world2cam[:3, 3] = (-1.25, -2.25, -9)
    target = torch.ones(grid.shape, dtype=torch.uint8)
    analysis = PredictionAnalysis(2, distance_step=0.5)
    analysis.add(make_sample(grid, target, lidar2cam=world2cam[None]), target)
    assert int(analysis.by_distance[0].confusion.sum()) == int((steps == 0).sum())
    unknown = PredictionAnalysis(2)
    unknown.add(make_sample(grid, target), target)
    assert not unknown.by_distance and unknown.by_height


def test_the_protocol_of_nyu_is_that_of_the_metric():
    grid = VoxelGrid((0, 0, 0), 0.24, (8, 6, 8), ('x', 'z', 'y'), 'world')
    metric = SSCMetric(('nyu', 'full'))
    metric.dataset_meta = dict(classes=('empty', 'a', 'b'))
    analyses = {name: PredictionAnalysis(3, name) for name in ('nyu', 'full', 'nyu_sc')}
    for seed in range(2):
        sample = random_rgbd_sample(grid, 3, (12, 16), seed=seed)['data_samples']
        prediction = sample.gt_voxels.roll(1, 0).clamp(max=2)
        for analysis in analyses.values():
            analysis.add(sample, prediction)
        metric.process(None, [dict(sample.to_dict(), pred_voxels=prediction)])
    for name in ('nyu', 'full'):
        parts = [record[name] for record in metric.results]
        total, analysis = parts[0] + parts[1], analyses[name]
        for found in (analysis.total, *(_sum(groups) for groups in
                      (analysis.by_distance, analysis.by_height))):  # fmt: skip
            assert torch.equal(found.confusion, total.confusion)
            assert torch.equal(found.completion, total.completion)
    one_mask = analyses['nyu_sc'].total.completion
    assert torch.equal(one_mask, analyses['nyu'].total.completion)


def _sum(groups):
    first, *others = groups.values()
    return sum(others, first)


def test_the_worst_frame_is_first_and_one_without_score_last():
    analysis = PredictionAnalysis(2)
    target = torch.ones(GRID.shape, dtype=torch.uint8)
    half = target.clone()
    half[:8] = 0
    for frame, truth, prediction in (
        ('a', target, target), ('b', 0 * target, 0 * target), ('c', target, half)
    ):  # fmt: skip
        analysis.add(make_sample(GRID, truth, frame), prediction)
    assert analysis.worst_frames() == ['00/c', '00/a', '00/b']
    with pytest.raises(DataError, match='two of this name'):
        analysis.add(make_sample(GRID, target, 'a'), target)


@pytest.mark.parametrize(
    ('shape', 'size', 'steps'),
    [
        ((256, 256, 32), 0.2, (5, 0.4)),
        ((60, 60, 36), 0.08, (0.5, 0.24)),
        ((100, 50, 10), 0.1, (1, 0.1)),
    ],
)
def test_steps_fit_the_grid(shape, size, steps):
    assert default_steps(VoxelGrid((0, 0, 0), size, shape)) == pytest.approx(steps)


@pytest.mark.parametrize('step', [0.5, 0, -1, math.nan, math.inf])
def test_a_step_below_a_voxel_is_refused(step):
    for name in ('distance', 'height'):
        analysis = PredictionAnalysis(2, **{f'{name}_step': step})
        target = torch.ones(GRID.shape, dtype=torch.uint8)
        with pytest.raises(DataError, match=f'--{name}-step: expected at least the size of a'):
            analysis.add(make_sample(GRID, target), target)
