"""Conversion of points to voxels."""

from __future__ import annotations

import torch
from torch import Tensor

from mmssc.structures import VoxelGrid

__all__ = [
    'floor_points', 'points_to_cells', 'points_to_occupancy', 'quantize_points',
    'scan_to_occupancy',
]  # fmt: skip


def quantize_points(points: Tensor, grid: VoxelGrid, margin: float = 1e-4) -> tuple[Tensor, Tensor]:
    """Voxel index of every point inside a grid.

    It is ``trunc(n * (p - min) / (max - min))``, computed in float32 and in this order (as in the
    depth-based head of SGN). float64 would put some points on a voxel face into another voxel.

    Args:
        points: (M, 3) float32, columns x, y, z of the grid's frame, metres.
        grid: The grid.
        margin: Points must be inside the box by at least this distance on every side (metres).

    Returns:
        ``indices`` (M', 3) int64 along the array axes of the grid, for the points inside, in input
        order, and ``inside`` (M,) bool.
    """
    points = _in_array_order(points.to(torch.float32), grid)
    low, high = (
        torch.tensor(corner, dtype=torch.float64, device=points.device)
        for corner in (grid.origin, grid.upper)
    )
    inside = (
        (points > (low + margin).to(torch.float32)) & (points < (high - margin).to(torch.float32))
    ).all(dim=1)
    shape = torch.tensor(grid.shape, dtype=torch.float32, device=points.device)
    scaled = shape * (points[inside] - low.to(torch.float32)) / (high - low).to(torch.float32)
    return scaled.to(torch.int64), inside


def points_to_cells(points: Tensor, grid: VoxelGrid) -> tuple[Tensor, Tensor, Tensor]:
    """Voxel of every point strictly inside a grid, and its offset from the centre of that voxel.

    The index is ``floor((p - min) / size)`` with ``size = (max - min) / n``, computed in float32
    and in this order (as in VoxDet). :func:`quantize_points` rounds otherwise at voxel faces.

    Args:
        points: (M, 3) float32, columns x, y, z of the grid's frame, metres.
        grid: The grid.

    Returns:
        ``indices`` (M', 3) int64 and ``offsets`` (M', 3) float32 in metres of the points inside,
        both along the array axes of the grid and in input order, and ``inside`` (M,) bool.
    """
    points = _in_array_order(points.to(torch.float32), grid)
    low, high = points.new_tensor(grid.origin), points.new_tensor(grid.upper)
    inside = ((points > low) & (points < high)).all(dim=1)
    count = points.new_tensor(grid.shape)
    size = (high - low) / count
    # Rounding can lift a point just below the upper face to the next index.
    kept = points[inside]
    cell = ((kept - low) / size).floor().minimum(count - 1)
    return cell.to(torch.int64), kept - ((cell + 0.5) * size + low), inside


def points_to_occupancy(points: Tensor, grid: VoxelGrid) -> Tensor:
    """Voxels that hold at least one point.

    Args:
        points: (M, 3) float32, columns x, y, z of the grid's frame, metres.
        grid: The grid.

    Returns:
        bool of ``grid.shape``.
    """
    occupied = torch.zeros(grid.shape, dtype=torch.bool, device=points.device)
    indices, _ = quantize_points(points, grid)
    occupied[indices.unbind(1)] = True
    return occupied


def floor_points(points: Tensor, grid: VoxelGrid) -> tuple[Tensor, Tensor]:
    """Voxel index of every point inside a grid, exact on the faces of voxels.

    It is ``floor((p - min) / size)``, computed in float64, for ``min <= p < max`` (the rule of
    LMSCNet and CarlaSC for scans). It differs from :func:`quantize_points` by a few voxels of a
    scan.

    Args:
        points: (M, 3 or more), columns x, y, z of the grid's frame, metres.
        grid: The grid.

    Returns:
        ``indices`` (M', 3) int64 along the array axes of the grid, for the points inside, in input
        order, and ``inside`` (M,) bool.
    """
    points = _in_array_order(points.to(torch.float64), grid)
    low, high, shape = (
        torch.tensor(numbers, dtype=torch.float64, device=points.device)
        for numbers in (grid.origin, grid.upper, grid.shape)
    )
    inside = ((points >= low) & (points < high)).all(dim=1)
    indices = torch.floor((points[inside] - low) / ((high - low) / shape))
    # The quotient of a point right below the upper face can round up.
    return torch.minimum(indices, shape - 1).to(torch.int64), inside


def scan_to_occupancy(points: Tensor, grid: VoxelGrid) -> Tensor:
    """Voxels that hold at least one point of a scan, by :func:`floor_points`.

    Args:
        points: (M, 3 or more), columns x, y, z of the grid's frame, metres.
        grid: The grid.

    Returns:
        bool of ``grid.shape``.
    """
    occupied = torch.zeros(grid.shape, dtype=torch.bool, device=points.device)
    indices, _ = floor_points(points, grid)
    occupied[indices.unbind(1)] = True
    return occupied


def _in_array_order(points: Tensor, grid: VoxelGrid) -> Tensor:
    """Columns x, y, z in the order of the grid's axes."""
    columns = ['xyz'.index(axis) for axis in grid.axes]
    return points[:, :3] if columns == [0, 1, 2] else points[:, columns]
