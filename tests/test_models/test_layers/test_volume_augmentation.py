"""Flips and swap on volume features, and their way back."""

from __future__ import annotations

import itertools

import pytest
import torch

from mmssc.errors import DataError
from mmssc.models.layers import VolumeAugmentation, VolumeChange

CHANGES = [
    VolumeChange(flips, swap) for flips in ((), (0,), (2,), (0, 2)) for swap in (None, (0, 2))
]


@pytest.mark.parametrize('change', CHANGES, ids=str)
def test_undo_is_the_reverse(change: VolumeChange) -> None:
    volume = torch.arange(2 * 3 * 4 * 2 * 4.0).view(2, 3, 4, 2, 4)
    changed = change.apply(volume)
    assert torch.equal(change.undo(changed), volume)
    assert torch.equal(changed, volume) == (change == VolumeChange())


def test_order_is_flips_then_swap() -> None:
    volume = torch.arange(64.0).view(1, 1, 4, 4, 4)
    expected = volume.flip(2).flip(4).transpose(2, 4)
    assert torch.equal(VolumeChange((0, 2), (0, 2)).apply(volume), expected)
    one = VolumeChange((0,), (0, 2)).apply(volume)
    assert torch.equal(one, volume.flip(2).transpose(2, 4))
    assert not torch.equal(one, volume.transpose(2, 4).flip(2))


def test_swap_needs_axes_of_one_length() -> None:
    with pytest.raises(DataError, match='two axes of the same length'):
        VolumeChange(swap=(0, 2)).apply(torch.zeros(1, 1, 4, 2, 8))


def test_coins_are_fair_and_independent() -> None:
    torch.manual_seed(0)
    augmentation = VolumeAugmentation(swap_axes=(0, 2)).train()
    draws = [augmentation() for _ in range(800)]
    for flips, swap in itertools.product(((), (0,), (2,), (0, 2)), (None, (0, 2))):
        # 100 expected, standard deviation 9.4.
        assert 60 < draws.count(VolumeChange(flips, swap)) < 140


def test_nothing_in_evaluation_mode_and_no_swap_by_default() -> None:
    augmentation = VolumeAugmentation(prob=1.0)
    assert augmentation.train()() == VolumeChange((0, 2), None)
    assert augmentation.eval()() == VolumeChange()


@pytest.mark.parametrize('options', [dict(flip_axes=(3,)), dict(swap_axes=(0, 0))])
def test_axes_are_checked(options: dict) -> None:
    with pytest.raises(ValueError, match='axes'):
        VolumeAugmentation(**options)
