"""A window of columns for each training step: less work and memory than the whole grid."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from mmssc.errors import DataError

__all__ = ['check_window', 'draw_window']

# The coarsest cell of the networks, in voxels.
_COARSEST = 16


def check_window(
    window: Sequence[int] | None, shape: Sequence[int], owner: str
) -> tuple[int, int] | None:
    """The option ``train_window`` of a completor.

    Args:
        window: Columns along the first two axes; None: no window.
        shape: Voxels of the grid along each axis.
        owner: Class that has the option, for the message.

    Raises:
        DataError: A side is not a multiple of 16, or is larger than that of the grid.
    """
    if window is None:
        return None
    sides = tuple(shape[:2])
    fits = len(window) == 2 and all(
        part > 0 and part % _COARSEST == 0 and part <= side for part, side in zip(window, sides)
    )
    if not fits:
        expected = f'two multiples of {_COARSEST}, at most {sides}'
        raise DataError('config', f'{owner}.train_window', expected, tuple(window))
    return window[0], window[1]


def draw_window(window: tuple[int, int], shape: Sequence[int]) -> tuple[slice, slice]:
    """A random place of a window, in steps of 16 voxels.

    Args:
        window: See :func:`check_window`.
        shape: Voxels of the grid along each axis.

    Returns:
        Slices of the first two axes.
    """
    first, second = (
        _COARSEST * int(torch.randint((side - size) // _COARSEST + 1, ()))
        for side, size in zip(shape, window)
    )
    return slice(first, first + window[0]), slice(second, second + window[1])
