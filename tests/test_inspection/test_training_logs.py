"""Curves of a training, also of one that was killed and resumed."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from mmssc.errors import DataError
from mmssc.inspection.training_logs import TrainingLog, default_keys, smooth


def write_log(folder: Path, start: str, *records: dict, end: str = '\n') -> None:
    path = folder / start / 'vis_data/scalars.json'
    path.parent.mkdir(parents=True)
    path.write_text('\n'.join(map(json.dumps, records)) + end)


def step(iteration: int, epoch: int, loss: float) -> dict:
    return dict(lr=0.1, loss=loss, loss_ssc=loss / 2, epoch=epoch, iter=iteration, step=iteration)


def score(epoch: int, iou: float) -> dict:
    return {'ssc/SC_IoU': iou, 'ssc/SSC_car_IoU': 1.0, 'step': epoch}


def test_a_resumed_training_is_one_curve(tmp_path):
    # Killed in epoch 3, whose validation is missing; resumed after epoch 1, to epoch 3.
    first = [step(5, 1, 9), score(1, 30), step(10, 2, 8), score(2, 40), step(15, 3, 7)]
    write_log(tmp_path, '20260101_000000', *first, end='\n{"loss": 6, "it')
    write_log(tmp_path, '20260102_000000', step(10, 2, 8.5), score(2, 41), step(15, 3, 7.5))
    write_log(tmp_path, '20260103_000000', score(3, 39))
    log = TrainingLog(tmp_path)
    assert log.curve('loss').x == [5, 10, 15] and log.curve('loss').y == [9, 8.5, 7.5]
    iou = log.curve('ssc/SC_IoU')
    assert (iou.unit, iou.x, iou.y) == ('epoch', [1, 2, 3], [30, 41, 39])
    assert iou.best == (2, 41) and log.curve('none') is None
    assert log.keys == ['lr', 'loss', 'loss_ssc', 'ssc/SC_IoU', 'ssc/SSC_car_IoU']
    assert default_keys([log]) == ['loss', 'loss_ssc', 'lr', 'ssc/SC_IoU']
    one = TrainingLog(tmp_path / '20260102_000000/vis_data/scalars.json')
    assert one.curve('loss').y == [8.5, 7.5] == TrainingLog(
        tmp_path / '20260102_000000').curve('loss').y  # fmt: skip


def test_scores_after_the_point_of_resuming_are_gone(tmp_path):
    write_log(tmp_path, 'a', step(5, 1, 9), score(1, 30), step(10, 2, 8), score(2, 40))
    write_log(tmp_path, 'b', step(6, 2, 7))
    assert TrainingLog(tmp_path).curve('ssc/SC_IoU').x == [1]


def test_a_training_without_epochs_counts_iterations(tmp_path):
    records = [dict(loss=2.0, iter=5, step=5), {'ssc/SC_IoU': 30, 'step': 5}]
    write_log(tmp_path, 'a', *records, dict(loss=1.0, iter=10, step=10))
    write_log(tmp_path, 'b', dict(loss=1.5, iter=8, step=8), {'ssc/SC_IoU': 31, 'step': 8})
    curve = TrainingLog(tmp_path).curve('ssc/SC_IoU')
    assert (curve.unit, curve.x) == ('iteration', [5, 8])
    assert TrainingLog(tmp_path).curve('loss').x == [5, 8]


def test_smoothing_starts_at_the_first_value_and_skips_nan():
    assert smooth([4, 4, 4], 0.9) == pytest.approx([4, 4, 4])
    assert smooth([1, 3], 0.5) == pytest.approx([1, (0.25 * 1 + 0.5 * 3) / 0.75])
    values = smooth([1, math.nan, 3], 0.5)
    assert math.isnan(values[1]) and values[2] == pytest.approx(smooth([1, 3], 0.5)[1])
    assert smooth([1, 5, 2], 0) == [1, 5, 2]


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('{"loss": 1, "iter"\n{}\n', 'line 1: expected a JSON object on one line, as in'),
        ('[1]\n', 'line 1: expected a JSON object, found list'),
        ('{"iter": 1}\n', 'a log of a training, found one without values'),
    ],
)
def test_a_damaged_log_is_refused(tmp_path, text, message):
    (tmp_path / 'scalars.json').write_text(text)
    with pytest.raises(DataError, match=message):
        TrainingLog(tmp_path)
