"""Rigid transforms."""

from __future__ import annotations

from torch import Tensor

__all__ = ['invert_rigid', 'transform_points']


def invert_rigid(transform: Tensor) -> Tensor:
    """Inverse of a rotation and a shift, computed with the transposed rotation.

    Calibration files round rotations, so the transposed matrix is not exactly the inverse: float32
    points differ in the last bits. Pseudo-lidar code uses the transposed matrix.

    Args:
        transform: (..., 4, 4), last row (0, 0, 0, 1).

    Returns:
        (..., 4, 4), same type and device.
    """
    inverse = transform.clone()
    inverse[..., :3, :3] = transform[..., :3, :3].mT
    inverse[..., :3, 3:] = -inverse[..., :3, :3] @ transform[..., :3, 3:]
    return inverse


def transform_points(points: Tensor, transform: Tensor) -> Tensor:
    """Apply a rigid transform to points.

    Args:
        points: (..., M, 3).
        transform: (..., 4, 4), same type; leading dimensions broadcast.

    Returns:
        (..., M, 3).
    """
    return points @ transform[..., :3, :3].mT + transform[..., None, :3, 3]
