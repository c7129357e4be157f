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


def test_a_move_is_by_one_voxel_and_repeats_the_last_one() -> None:
    volume = torch.arange(24.0).view(1, 2, 3, 2, 2)
    moved = VolumeChange(shifts=(0, 2)).apply(volume)
    assert torch.equal(moved[:, :, :-1, :, :-1], volume[:, :, 1:, :, 1:])
    assert torch.equal(moved[:, :, -1], moved[:, :, -2])
    assert torch.equal(moved[..., -1], moved[..., -2])


@pytest.mark.parametrize('change', [one._replace(shifts=(0, 2)) for one in CHANGES], ids=str)
def test_undo_gives_a_voxel_that_a_move_dropped_the_value_of_its_neighbour(
    change: VolumeChange,
) -> None:
    volume = torch.arange(2 * 3 * 4 * 2 * 4).view(2, 3, 4, 2, 4)
    expected = volume.clone()
    expected[:, :, 0] = expected[:, :, 1].clone()
    expected[..., 0] = expected[..., 1].clone()
    assert torch.equal(change.undo(change.apply(volume)), expected)


def test_order_is_moves_then_flips() -> None:
    volume = torch.arange(64.0).view(1, 1, 4, 4, 4)
    expected = VolumeChange((0,)).apply(VolumeChange(shifts=(0,)).apply(volume))
    assert torch.equal(VolumeChange((0,), shifts=(0,)).apply(volume), expected)


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
