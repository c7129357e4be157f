"""Flips and a swap of axes on the features of a volume, undone on what comes out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mmssc.errors import DataError
from mmssc.registry import MODELS

__all__ = ['VolumeAugmentation', 'VolumeChange']


class VolumeChange(NamedTuple):
    """What was done to a volume.

    Attributes:
        flips: Array axes (0, 1, 2 of X, Y, Z) that were reversed, in this order.
        swap: Two array axes that were exchanged after the flips, or None.
    """

    flips: tuple[int, ...] = ()
    swap: tuple[int, int] | None = None

    def apply(self, volume: Tensor) -> Tensor:
        """Change a volume (..., X, Y, Z).

        Raises:
            DataError: The two axes to exchange differ in length.
        """
        if self.flips:
            volume = volume.flip([axis - 3 for axis in self.flips])
        return self._exchange(volume)

    def undo(self, volume: Tensor) -> Tensor:
        """The reverse of :meth:`apply`."""
        volume = self._exchange(volume)
        return volume.flip([axis - 3 for axis in self.flips]) if self.flips else volume

    def _exchange(self, volume: Tensor) -> Tensor:
        if self.swap is None:
            return volume
        first, second = (axis - 3 for axis in self.swap)
        if volume.shape[first] != volume.shape[second]:
            raise DataError(
                'volume augmentation', 'swap_axes', 'two axes of one length',
                tuple(volume.shape[-3:]), 'Switch it off: augmentation.swap_axes=None',
            )  # fmt: skip
        return volume.transpose(first, second)


@MODELS.register_module()
class VolumeAugmentation(nn.Module):
    """Draws the augmentation of one forward pass.

    One coin for each axis that may be flipped and one for the swap, the same for the whole batch
    of a process: so do the authors of CleanerS (flips of both horizontal axes) and AMMNet (and
    their swap). The volume inside the network changes, inputs and targets do not.

    Args:
        flip_axes: Array axes (0, 1, 2 of X, Y, Z) that may be reversed.
        swap_axes: Two array axes of one length that may be exchanged, None for none.
        prob: Probability of each.
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
        """The change of this pass: random in training, none in evaluation mode."""
        if not self.training:
            return VolumeChange()
        coins = (torch.rand(len(self.flip_axes) + 1) < self.prob).tolist()
        flips = tuple(axis for axis, coin in zip(self.flip_axes, coins) if coin)
        return VolumeChange(flips, self.swap_axes if coins[-1] else None)

    def extra_repr(self) -> str:
        """Options shown by ``print(model)``."""
        return f'flip_axes={self.flip_axes}, swap_axes={self.swap_axes}, prob={self.prob}'
