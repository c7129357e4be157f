"""Parts of a grid by distance from the sensor."""

from __future__ import annotations

import torch

from mmssc.errors import DataError
from mmssc.structures import VoxelGrid

__all__ = ['range_slices']


def range_slices(grid: VoxelGrid, extent: float) -> tuple[slice, slice, slice]:
    """The box of ``extent`` x ``extent`` metres in front of the sensor, over the full height.

    It has the voxels whose centre satisfies ``0 <= x < extent`` and ``-extent/2 <= y < extent/2``
    in the grid's frame: the ranges 12.8, 25.6 and 51.2 m of VoxFormer (arXiv 2302.12251) and
    SSCBench (arXiv 2306.09001).

    Returns:
        One slice per array axis of the grid.

    Raises:
        DataError: No voxel lies in the range.
    """
    limits = {'x': (0.0, extent), 'y': (-extent / 2, extent / 2)}
    slices = []
    for name, low, size, count in zip(grid.axes, grid.origin, grid.voxel_size, grid.shape):
        if name not in limits:
            slices.append(slice(0, count))
            continue
        centers = low + size * (torch.arange(count, dtype=torch.float64) + 0.5)
        inside = torch.nonzero((centers >= limits[name][0]) & (centers < limits[name][1]))
        if not len(inside):
            raise DataError('evaluation range', f'{extent} m', 'a range that holds voxels',
                            f'none along {name} of {grid}')  # fmt: skip
        slices.append(slice(int(inside[0]), int(inside[-1]) + 1))
    first, second, third = slices
    return first, second, third
