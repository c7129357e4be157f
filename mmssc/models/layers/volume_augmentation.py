"""Flips, an axis swap and moves of volumes inside a network, undone on its output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mmssc.errors import DataError
from mmssc.registry import MODELS

__all__ = ['VolumeAugmentation', 'VolumeChange']


class VolumeChange(NamedTuple):
    """Moves by one voxel, flips and an axis swap of a volume, in this order.

    Attributes:
        flips: Flipped array axes (0, 1, 2 of X, Y, Z), in this order.
        swap: Two array axes that are swapped after the flips, or None.
        shifts: Array axes along which the volume moves by one voxel before the flips.
    """

    flips: tuple[int, ...] = ()
    swap: tuple[int, int] | None = None
    shifts: tuple[int, ...] = ()

    def apply(self, volume: Tensor) -> Tensor:
        """Move a volume (..., X, Y, Z), flip and swap its axes.

        A move drops the first voxel of an axis and repeats the last one.

        Raises:
            DataError: The two axes to swap differ in length.
        """
        for axis in self.shifts:
            volume = _move(volume, axis - 3, 1)
        if self.flips:
            volume = volume.flip([axis - 3 for axis in self.flips])
        return self._exchange(volume)

    def undo(self, volume: Tensor) -> Tensor:
        """Undo :meth:`apply`; a voxel that a move dropped gets the value of its neighbour."""
        volume = self._exchange(volume)
        if self.flips:
            volume = volume.flip([axis - 3 for axis in self.flips])
        for axis in self.shifts:
            volume = _move(volume, axis - 3, -1)
        return volume

    def _exchange(self, volume: Tensor) -> Tensor:
        if self.swap is None:
            return volume
        first, second = (axis - 3 for axis in self.swap)
        if volume.shape[first] != volume.shape[second]:
            raise DataError(
                'volume augmentation', 'swap_axes', 'two axes of the same length',
                tuple(volume.shape[-3:]), 'Set augmentation.swap_axes=None',
            )  # fmt: skip
        return volume.transpose(first, second)


def _move(volume: Tensor, axis: int, step: int) -> Tensor:
    """Voxel i of the result is voxel i + step; voxels beyond an end are those at the end."""
    side = volume.shape[axis]
    source = torch.arange(step, side + step, device=volume.device).clamp(0, side - 1)
    return volume.index_select(axis, source)


@MODELS.register_module()
class VolumeAugmentation(nn.Module):
    """Draw the augmentation of one forward pass.

    Every flip and the swap is drawn once for the whole batch of a process, as in the code of
    CleanerS (flips of both horizontal axes) and AMMNet (flips and swap). The completor changes
    volumes inside the network and undoes the change on the logits; the targets stay the same.

    Args:
        flip_axes: Array axes (0, 1, 2 of X, Y, Z) that may be flipped.
        swap_axes: Two array axes of the same length that may be swapped; None: no swap.
        prob: Probability of each flip and of the swap.
    """

    def __init__(
        self,
        flip_axes: Sequence[int] = (0, 2),
        swap_axes: Sequence[int] | None = None,
        prob: float = 0.5,
    ) -> None:
        super().__init__()
        axes = [*flip_axes, *(swap_axes or ())]
        if any(axis not in (0, 1, 2) for axis in axes):
            expected = 'array axes: 0, 1 and 2'
            raise DataError('config', 'VolumeAugmentation.flip_axes, swap_axes', expected, axes)
        if swap_axes is not None and len(set(swap_axes)) != 2:
            expected = 'two different axes'
            raise DataError('config', 'VolumeAugmentation.swap_axes', expected, swap_axes)
        self.flip_axes = tuple(flip_axes)
        self.swap_axes = None if swap_axes is None else (swap_axes[0], swap_axes[1])
        self.prob = prob

    def forward(self) -> VolumeChange:
        """Draw a random change in training mode; return no change in evaluation mode."""
        if not self.training:
            return VolumeChange()
        coins = (torch.rand(len(self.flip_axes) + 1) < self.prob).tolist()
        flips = tuple(axis for axis, coin in zip(self.flip_axes, coins) if coin)
        return VolumeChange(flips, self.swap_axes if coins[-1] else None)

    def extra_repr(self) -> str:
        """Options shown by ``print(model)``."""
        return f'flip_axes={self.flip_axes}, swap_axes={self.swap_axes}, prob={self.prob}'
