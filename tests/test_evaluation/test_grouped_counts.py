"""Counts of groups of voxels by hand."""

import math

import pytest
import torch

from mmssc.evaluation import count_voxels, sum_counts
from mmssc.evaluation.functional import count_groups, local_scores


def test_groups_counted_by_hand():
    target = torch.tensor([0, 1, 1, 2, 255, 2], dtype=torch.uint8)
    prediction = torch.tensor([0, 1, 0, 2, 1, 1], dtype=torch.uint8)
    groups = torch.tensor([-1, -1, -1, 4, 4, 4])
    counts = count_groups(prediction, target, groups, 3)
    assert list(counts) == [-1, 4]
    assert counts[-1].confusion.tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 0]]
    assert counts[4].confusion.tolist() == [[0, 0, 0], [0, 0, 0], [0, 1, 1]]
    # Class 2 does not occur in the first group, class 1 in the second only as a prediction.
    assert local_scores(counts[-1]) == pytest.approx((50, 50))
    assert local_scores(counts[4]) == pytest.approx((100, 25))
    mask = torch.tensor([1, 1, 0, 0, 0, 0], dtype=torch.bool)
    masked = count_groups(prediction, target, groups, 3, mask)
    assert list(masked) == [-1] and local_scores(masked[-1]) == (100, 100)


def test_groups_add_up_to_the_whole():
    generator = torch.Generator().manual_seed(0)
    prediction, target = torch.randint(0, 5, (2, 6, 5, 4), generator=generator).to(torch.uint8)
    target[0, 0] = 255
    groups = torch.randint(-3, 9, (6, 5, 4), generator=generator)
    parts = count_groups(prediction, target, groups, 5)
    whole = count_voxels(prediction, target, 5)
    assert torch.equal(sum_counts(parts.values(), 5).confusion, whole.confusion)


def test_nothing_occupied_has_no_score():
    empty = torch.zeros(2, 2, 2, dtype=torch.uint8)
    assert all(map(math.isnan, local_scores(count_voxels(empty, empty, 3))))
    assert count_groups(empty, empty + 255, empty.long(), 3) == {}
