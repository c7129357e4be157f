"""Lossless exchange of resolution and channels."""

from __future__ import annotations

from torch import Tensor

from mmssc.errors import DataError

__all__ = ['depth_to_space', 'space_to_depth']


def space_to_depth(volume: Tensor, factor: int) -> Tensor:
    """Concatenate the ``factor ** 3`` voxels of each block as channels.

    Args:
        volume: (B, X, Y, Z, C), channels last.
        factor: Side of a block in voxels.

    Returns:
        (B, X / factor, Y / factor, Z / factor, factor ** 3 * C).

    Raises:
        DataError: A side is not a multiple of ``factor``.
    """
    sides = volume.shape[1:4]
    if any(side % factor for side in sides):
        expected = f'every side a multiple of {factor}'
        raise DataError('voxel grid', 'shape', expected, tuple(sides))
    blocks = volume
    for axis in (3, 2, 1):
        blocks = blocks.unflatten(axis, (volume.shape[axis] // factor, factor))
    return blocks.permute(0, 1, 3, 5, 2, 4, 6, 7).flatten(4)


def depth_to_space(volume: Tensor, factor: int) -> Tensor:
    """Inverse of :func:`space_to_depth`.

    Args:
        volume: (B, X, Y, Z, factor ** 3 * C), channels last.
        factor: Side of a block in voxels.

    Returns:
        (B, factor X, factor Y, factor Z, C).

    Raises:
        ValueError: The channels are not a multiple of ``factor ** 3``.
    """
    if volume.shape[-1] % factor**3:
        raise ValueError(f'channels must be a multiple of {factor**3}, got {volume.shape[-1]}')
    blocks = volume.unflatten(-1, (factor, factor, factor, -1))
    return blocks.permute(0, 1, 4, 2, 5, 3, 6, 7).flatten(5, 6).flatten(3, 4).flatten(1, 2)
