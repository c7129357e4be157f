"""What a scan says of every voxel: seen, hidden behind something, or not reached by a ray."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from mmssc.structures import VoxelGrid

from .voxelize import floor_points

__all__ = ['OCCLUDED', 'UNOBSERVED', 'VISIBLE', 'scan_visibility']

#: No ray of the scan goes to the voxel, or the ray came back without a return.
UNOBSERVED = 0
#: A point lies in the voxel, or rays pass through it.
VISIBLE = 1
#: The rays to the voxel end in front of it.
OCCLUDED = 2

# Rows (polar angle) and columns (azimuth) of the finest map of directions: cells of 0.25 degrees.
_ROWS, _COLUMNS, _LEVELS = 720, 1440, 7
_CELL = math.pi / _ROWS


class _Directions(NamedTuple):
    """Where each voxel of a grid lies as seen from the sensor.

    Args:
        cell: (V,) int32, cell among those of all maps, the finest map first.
        distance: (V,) float32, metres.
    """

    cell: Tensor
    distance: Tensor


def scan_visibility(points: Tensor, grid: VoxelGrid, sensor: tuple[float, float, float]) -> Tensor:
    """Say which voxels a scan sees, by rays from the sensor to its points.

    The rays form maps of directions with the farthest return of each cell. A voxel looks into the
    map whose cells are about as large as it appears. So a voxel is visible if a ray through it or
    close by (half a voxel) ends behind its centre.

    Args:
        points: (M, 3) metres in the frame of the grid.
        grid: The grid.
        sensor: Position of the sensor, x, y, z of the frame, metres. Positions that repeat, and no
            more than a few, are fast.

    Returns:
        (X, Y, Z) uint8: :data:`VISIBLE`, :data:`OCCLUDED` or :data:`UNOBSERVED`.
    """
    directions = _directions(grid, tuple(sensor), str(points.device))
    reach = _farthest_returns(points, sensor)[directions.cell]
    slack = 0.5 * min(grid.voxel_size)
    visible = reach + slack >= directions.distance
    state = torch.where(visible, VISIBLE, OCCLUDED).to(torch.uint8)
    state[reach < 0] = UNOBSERVED
    state = state.view(grid.shape)
    hit, _ = floor_points(points, grid)
    state[hit.unbind(1)] = VISIBLE
    return state


def _polar(offsets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Distance, row and column (as numbers of the finest map) of offsets from the sensor."""
    x, y, z = offsets.unbind(-1)
    flat = torch.hypot(x, y)
    row = torch.atan2(flat, z) / _CELL
    column = torch.atan2(y, x) / _CELL + _COLUMNS / 2
    return torch.hypot(flat, z), row, column


def _farthest_returns(points: Tensor, sensor: tuple[float, float, float]) -> Tensor:
    """Largest distance of the returns in each cell of all maps, flat; -1 without a return."""
    distance, row, column = _polar(points.float() - points.new_tensor(sensor).float())
    cell = row.long().clamp_(max=_ROWS - 1) * _COLUMNS + column.long() % _COLUMNS
    finest = torch.full((_ROWS * _COLUMNS,), -1.0, device=points.device)
    finest.scatter_reduce_(0, cell, distance, 'amax')
    maps = [finest.view(1, 1, _ROWS, _COLUMNS)]
    for _ in range(_LEVELS - 1):
        maps.append(torch.nn.functional.max_pool2d(maps[-1], 2, ceil_mode=True))
    return torch.cat([one.flatten() for one in maps])


# About 16 MB for a grid of two million voxels.
@lru_cache(maxsize=4)
def _directions(grid: VoxelGrid, sensor: tuple[float, float, float], device: str) -> _Directions:
    offsets = grid.centers(device=device) - torch.tensor(sensor, device=device)
    distance, row, column = _polar(offsets)
    # The angle of the longest edge.
    size = max(grid.voxel_size) / distance.clamp(min=max(grid.voxel_size)) / _CELL
    level = size.log2().round().clamp(0, _LEVELS - 1).to(torch.int32)
    starts, shapes, start = [], [], 0
    rows, columns = _ROWS, _COLUMNS
    for _ in range(_LEVELS):
        starts.append(start)
        shapes.append(columns)
        start += rows * columns
        rows, columns = -(-rows // 2), -(-columns // 2)
    first = torch.tensor(starts, dtype=torch.int32, device=device)[level]
    width = torch.tensor(shapes, dtype=torch.int32, device=device)[level]
    row = row.to(torch.int32).clamp(max=_ROWS - 1) >> level
    column = (column.to(torch.int32) % _COLUMNS) >> level
    return _Directions(first + row * width + column, distance)
