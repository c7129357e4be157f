"""Conversion of points to voxels."""

from __future__ import annotations

import torch
from torch import Tensor

from mmssc.structures import VoxelGrid

__all__ = ['quantize_points', 'points_to_occupancy']


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
    points = points.to(torch.float32)
    columns = ['xyz'.index(axis) for axis in grid.axes]
    if columns != [0, 1, 2]:
        points = points[:, columns]
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
