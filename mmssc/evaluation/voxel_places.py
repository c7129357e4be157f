"""Where the voxels of a sample are: distance from the sensor and height, in steps."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mmssc.errors import DataError
from mmssc.structures import SSCDataSample, VoxelGrid

__all__ = ['default_steps', 'distance_steps', 'height_steps', 'sensor_position']

# About so many steps over the grid.
_DISTANCES, _HEIGHTS = 12, 16


def default_steps(grid: VoxelGrid) -> tuple[float, float]:
    """Round steps of distance and height for a grid, in metres.

    The step of height is a whole number of voxels, so that no layer of voxels is divided.
    """
    sides = dict(zip(grid.axes, (size * count for size, count in zip(grid.voxel_size, grid.shape))))
    smallest = max(*(sides[axis] / _DISTANCES for axis in 'xy'), *grid.voxel_size)
    power = 10.0 ** math.floor(math.log10(smallest))
    distance = next(power * n for n in (1, 2, 5, 10) if power * n >= 0.999 * smallest)
    up = grid.axes.index('z')
    return distance, grid.voxel_size[up] * math.ceil(grid.shape[up] / _HEIGHTS)


def sensor_position(sample: SSCDataSample) -> Tensor | None:
    """Position of the sensor in the grid's frame, (3,) float64 metres; None if it is unknown.

    It is the reference camera, without a camera the origin of a lidar frame.
    """
    lidar2cam = sample.get('lidar2cam')
    if lidar2cam is not None:
        return torch.linalg.inv(torch.as_tensor(lidar2cam, dtype=torch.float64)[0])[:3, 3]
    is_lidar = VoxelGrid.build(sample.voxel_grid).frame != 'world'
    return torch.zeros(3, dtype=torch.float64) if is_lidar else None


def distance_steps(grid: VoxelGrid, sensor: Tensor, step: float) -> Tensor:
    """Which step of the horizontal distance from the sensor each voxel centre is in.

    Args:
        grid: The grid, z upwards.
        sensor: (3,) position in metres.
        step: Metres.

    Returns:
        (X, Y, Z) int64: n for distances from ``n * step`` to ``(n + 1) * step``.

    Raises:
        DataError: The step is smaller than a voxel.
    """
    _check_step('distance', grid, step, [grid.axes.index('x'), grid.axes.index('y')])
    offset = grid.centers(torch.float64)[:, :2] - sensor[:2]
    return (offset.norm(dim=1) / step).floor().long().reshape(grid.shape)


def height_steps(grid: VoxelGrid, start: float, step: float) -> Tensor:
    """Which step of z each voxel centre is in.

    Args:
        grid: The grid, z upwards.
        start: z where step 0 begins, metres of the grid's frame.
        step: Metres.

    Returns:
        (X, Y, Z) int64: n for z from ``start + n * step`` to ``start + (n + 1) * step``.

    Raises:
        DataError: The step is smaller than a voxel.
    """
    _check_step('height', grid, step, [grid.axes.index('z')])
    height = grid.centers(torch.float64)[:, 2] - start
    return (height / step).floor().long().reshape(grid.shape)


def _check_step(name: str, grid: VoxelGrid, step: float, axes: list[int]) -> None:
    size = max(grid.voxel_size[axis] for axis in axes)
    # Also of a step that is not a number.
    if not size * 0.999 <= step < math.inf:
        expected = f'at least the size of a voxel, {size:g} metres'
        raise DataError(f'--{name}-step', None, expected, f'{step:g}')
