"""Counts and scores, by hand, against a slow count, and against the authors' figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from mmssc.errors import DataError
from mmssc.evaluation import count_voxels, scores_from_counts, sum_counts

UNITS = Path(__file__).parents[1] / 'data' / 'parity' / 'sgn' / 'units_1.npz'


def volume(*ids: int) -> torch.Tensor:
    return torch.tensor(ids, dtype=torch.uint8).reshape(2, 2, 2)


def test_scores_of_a_volume_counted_by_hand():
    # Labels: four empty, two of class 1, one of class 2, one without a label.
    target = volume(0, 0, 0, 0, 1, 1, 2, 255)
    prediction = volume(0, 0, 1, 2, 1, 0, 1, 2)
    counts = count_voxels(prediction, target, 3)
    assert counts.confusion.tolist() == [[2, 1, 1], [1, 1, 0], [0, 1, 0]]
    assert counts.confusion.dtype == torch.int64
    assert counts.ignored == 1
    assert counts.completion.tolist() == [2, 2, 1]
    scores = scores_from_counts(counts)
    assert scores.precision == pytest.approx(100 * 2 / 4)
    assert scores.recall == pytest.approx(100 * 2 / 3)
    assert scores.iou == pytest.approx(100 * 2 / 5)
    assert scores.class_iou == pytest.approx(
        (100 * 2 / (5 + 1e-5), 100 * 1 / (4 + 1e-5), 0.0), rel=1e-12
    )
    assert scores.miou == pytest.approx(100 * (1 / (4 + 1e-5)) / 2, rel=1e-12)


def test_the_old_figure_of_class_0_counts_ignored_voxels_as_hits():
    counts = count_voxels(volume(1, 1, 1, 1, 0, 0, 0, 0), volume(255, 255, 255, 1, 0, 0, 0, 1), 2)
    plain, old = scores_from_counts(counts), scores_from_counts(counts, ignored_as_empty=True)
    assert plain.class_iou[0] == pytest.approx(100 * 3 / (4 + 1e-5))
    assert old.class_iou[0] == pytest.approx(100 * 6 / (7 + 1e-5))
    assert (old.iou, old.miou, old.class_iou[1:]) == (plain.iou, plain.miou, plain.class_iou[1:])


def test_a_class_that_never_occurs_counts_as_zero_and_nothing_is_nan():
    empty = torch.zeros(2, 2, 2, dtype=torch.uint8)
    scores = scores_from_counts(count_voxels(empty, empty, 3))
    assert (scores.precision, scores.recall, scores.iou, scores.miou) == (0.0, 0.0, 0.0, 0.0)
    assert scores.class_iou == pytest.approx((100 * 8 / (8 + 1e-5), 0.0, 0.0))


def test_mask_limits_both_counts_and_ignored_voxels():
    target = volume(0, 1, 1, 255, 255, 2, 2, 2)
    mask = torch.tensor([1, 1, 1, 1, 0, 0, 0, 0], dtype=torch.bool).reshape(2, 2, 2)
    counts = count_voxels(target.clamp(max=2), target, 3, mask)
    assert counts.confusion.tolist() == [[1, 0, 0], [0, 2, 0], [0, 0, 0]]
    assert counts.ignored == 1


@pytest.mark.parametrize(
    ('prediction', 'target', 'word'),
    [
        (volume(*[3] * 8), volume(*[0] * 8), 'prediction'),
        (volume(*[0] * 8), volume(*[7] * 8), 'target'),
        (volume(*[0] * 8), torch.zeros(2, 2, 3), 'shape'),
    ],
)
def test_refuses_ids_and_shapes_that_do_not_fit(prediction, target, word):
    with pytest.raises(DataError, match=word):
        count_voxels(prediction, target, 3)


def slow_counts(prediction: np.ndarray, target: np.ndarray, num_classes: int) -> np.ndarray:
    matrix = np.zeros((num_classes, num_classes), dtype=np.int64)
    for truth, guess in zip(target.flat, prediction.flat):
        if truth != 255:
            matrix[truth, guess] += 1
    return matrix


labels = st_numpy.arrays(np.uint8, (4, 3, 2), elements=st.sampled_from([0, 1, 2, 3, 255]))
guesses = st_numpy.arrays(np.uint8, (4, 3, 2), elements=st.integers(0, 3))


@settings(max_examples=60, deadline=None)
@given(prediction=guesses, target=labels)
def test_counts_equal_a_voxel_by_voxel_count(prediction, target):
    counts = count_voxels(torch.from_numpy(prediction), torch.from_numpy(target), 4)
    expected = slow_counts(prediction, target, 4)
    assert counts.confusion.tolist() == expected.tolist()
    valid = target != 255
    occupied, said = target[valid] > 0, prediction[valid] > 0
    assert counts.completion.tolist() == [
        int((occupied & said).sum()), int((~occupied & said).sum()), int((occupied & ~said).sum())
    ]  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(pairs=st.lists(st.tuples(guesses, labels), min_size=1, max_size=4))
def test_sum_of_counts_equals_the_count_of_all_voxels_at_once(pairs):
    parts = [count_voxels(torch.from_numpy(p), torch.from_numpy(t), 4) for p, t in pairs]
    stacked = count_voxels(
        torch.from_numpy(np.stack([p for p, _ in pairs])),
        torch.from_numpy(np.stack([t for _, t in pairs])),
        4,
    )
    total = sum_counts(parts, 4)
    assert torch.equal(total.confusion, stacked.confusion)
    assert total.ignored == stacked.ignored


def test_equals_the_figures_of_the_official_sgn_code():
    with np.load(UNITS) as units:
        case = {key[7:]: units[key] for key in units.files if key.startswith('metric/')}
    total = sum_counts(
        (
            count_voxels(torch.from_numpy(guess), torch.from_numpy(truth), 20)
            for guess, truth in zip(case['pred'], case['target'])
        ),
        20,
    )
    hits, false, missed = total.semantics.tolist()
    # The official counts hold ignored voxels as hits of class 0.
    assert [hits[0] + total.ignored, *hits[1:]] == case['tps'].tolist()
    assert false == case['fps'].tolist()
    assert missed == case['fns'].tolist()
    expected = [int(case[f'completion_{name}'][0]) for name in ('tp', 'fp', 'fn')]
    assert total.completion.tolist() == expected
    scores = scores_from_counts(total, ignored_as_empty=True)
    np.testing.assert_allclose(np.array(scores.class_iou) / 100, case['iou_ssc'], rtol=1e-6)
    np.testing.assert_allclose(
        np.array([scores.precision, scores.recall, scores.iou, scores.miou]) / 100,
        case['precision_recall_iou_miou'],
        rtol=1e-6,
    )


@pytest.mark.parametrize('dtype', [torch.uint8, torch.int16, torch.int64])
def test_any_ids_may_stand_where_nothing_counts(dtype):
    target = torch.tensor([0, 1, 255, 7], dtype=dtype)
    prediction = torch.tensor([0, 1, 99, 88], dtype=dtype)
    mask = torch.tensor([True, True, True, False])
    counts = count_voxels(prediction, target, 2, mask)
    assert counts.confusion.tolist() == [[1, 0], [0, 1]] and counts.ignored == 1
    with pytest.raises(DataError, match='prediction: class ids: .* found 88 to 99'):
        count_voxels(prediction, target.clamp(max=1), 2, torch.tensor([False, False, True, True]))
