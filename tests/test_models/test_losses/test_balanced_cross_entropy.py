"""The cross entropy on occupied voxels and a draw of the empty ones."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from mmssc.errors import DataError
from mmssc.models.losses import BalancedCrossEntropyLoss

SHAPE = (2, 12, 10, 6)


@pytest.fixture
def volumes():
    generator = torch.Generator().manual_seed(0)
    target = torch.zeros(SHAPE, dtype=torch.uint8)
    draw = torch.rand(SHAPE, generator=generator)
    target[draw < 0.1], target[draw > 0.9] = 2, 255
    target[1, :6] = 0
    return torch.randn(2, 4, *SHAPE[1:], generator=generator), target


def occupied_of(target):
    return (target != 0) & (target != 255)


def test_all_occupied_voxels_and_a_draw_for_each_sample(volumes):
    _, target = volumes
    torch.manual_seed(0)
    selected = BalancedCrossEntropyLoss().select(target)
    occupied = occupied_of(target)
    assert selected[occupied].all() and not selected[target == 255].any()
    for mask, chosen in zip(occupied, selected):
        drawn = int(chosen.sum() - mask.sum())
        # With replacement: fewer different voxels than draws.
        assert 1.2 * mask.sum() < drawn < 2 * mask.sum()
    torch.manual_seed(0)
    assert torch.equal(BalancedCrossEntropyLoss().select(target), selected)
    assert not torch.equal(BalancedCrossEntropyLoss().select(target), selected)


def test_the_batch_shares_a_draw_without_replacement(volumes):
    _, target = volumes
    options = dict(draw='batch', replacement=False)
    selected = BalancedCrossEntropyLoss(**options).select(target)
    count = int(occupied_of(target).sum())
    assert int(selected.sum()) == 3 * count
    # Fewer empty voxels than wanted: all of them.
    all_empty = BalancedCrossEntropyLoss(empty_ratio=100, **options).select(target)
    assert torch.equal(all_empty, target != 255)


@pytest.mark.parametrize('normalizer', ['unselected', 'count', 'weights'])
@pytest.mark.parametrize('reduction', ['batch', 'sample'])
def test_divisors(volumes, normalizer, reduction):
    logits, target = volumes
    weight = [0.5, 1.0, 2.0, 1.0]
    loss = BalancedCrossEntropyLoss(normalizer=normalizer, class_weight=weight, reduction=reduction)
    selected = loss.select(target)
    entropy = F.cross_entropy(
        logits, target.long().masked_fill(target == 255, 0), torch.tensor(weight), reduction='none'
    )
    weights = torch.tensor(weight)[target.long().clamp(max=3)]
    divisor = dict(
        unselected=((target != 255) & ~selected).float(),
        count=selected.float(),
        weights=weights * selected,
    )[normalizer]
    sums = (entropy * selected).flatten(1).sum(1), divisor.flatten(1).sum(1)
    if reduction == 'batch':
        expected = sums[0].sum() / sums[1].sum()
    else:
        expected = (sums[0] / sums[1]).mean()
    torch.testing.assert_close(loss(logits, target, selected), expected)


def test_nothing_left_over_is_no_division_by_zero(volumes):
    logits, target = volumes
    full = torch.full_like(target, 2)
    value = BalancedCrossEntropyLoss()(logits, full)
    assert value.isfinite() and value > 0
    # Nothing occupied: nothing counts.
    assert BalancedCrossEntropyLoss()(logits, torch.zeros_like(target)) == 0
    assert BalancedCrossEntropyLoss()(logits, torch.full_like(target, 255)) == 0


def test_integer_targets_keep_the_class_weights(volumes):
    logits, target = volumes
    one, half = (
        BalancedCrossEntropyLoss(class_weight=[w] * 4)(logits, target, target != 255)
        for w in (1.0, 0.5)
    )
    torch.testing.assert_close(half, one / 2)


@pytest.mark.parametrize(
    'options', [dict(draw='scene'), dict(normalizer='sum'), dict(empty_ratio=-1)]
)
def test_unknown_options_are_refused(options):
    with pytest.raises(DataError, match='BalancedCrossEntropyLoss'):
        BalancedCrossEntropyLoss(**options)
