"""Runs of equal labels along the axes of a volume."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

__all__ = ['hide_long_runs', 'run_lengths']


def run_lengths(labels: Tensor) -> Tensor:
    """How far the run of equal labels reaches from every voxel in the six axis directions.

    Any label counts, also empty and ignored ones.

    Args:
        labels: (B, X, Y, Z) of any integer type.

    Returns:
        (B, 6, X, Y, Z) int64, numbers of voxels with the voxel itself, at least 1. Directions:
        x+, x-, y+, y-, z+, z-.
    """
    parts = []
    for axis in (1, 2, 3):
        ahead = _voxels_to_the_end(labels.flip(axis), axis).flip(axis)
        parts += [ahead, _voxels_to_the_end(labels, axis)]
    return torch.stack(parts, 1)


def _voxels_to_the_end(labels: Tensor, axis: int) -> Tensor:
    """Length of the run back to its first voxel along an axis."""
    moved = labels.movedim(axis, -1)
    place = torch.arange(moved.shape[-1], device=labels.device).expand(moved.shape)
    starts = torch.ones_like(moved, dtype=torch.bool)
    starts[..., 1:] = moved[..., 1:] != moved[..., :-1]
    # The last start up to here: places without a start count as 0.
    start = (place * starts).cummax(-1).values
    return (place - start + 1).movedim(-1, axis)


def hide_long_runs(
    labels: Tensor, lengths: Tensor, limits: Iterable[tuple[int, int]], ignore_index: int = 255
) -> Tensor:
    """Labels without the voxels of a class that lie in a long run along any axis.

    Cars that moved while the scans of a target were collected leave such runs behind them.

    Args:
        labels: (B, X, Y, Z).
        lengths: :func:`run_lengths` of the labels.
        limits: (class id, shortest hidden run in voxels) of each class.
        ignore_index: Label of the hidden voxels.

    Returns:
        (B, X, Y, Z), a new tensor.
    """
    # Both directions count the voxel itself.
    longest = (lengths[:, 0::2] + lengths[:, 1::2]).amax(1) - 1
    result = labels.clone()
    for class_id, limit in limits:
        result[(labels == class_id) & (longest >= limit)] = ignore_index
    return result
