"""Rigid transforms."""

from __future__ import annotations

from torch import Tensor

__all__ = ['invert_rigid', 'transform_points']


def invert_rigid(transform: Tensor) -> Tensor:
    """Inverse of a rotation and a shift: transposed rotation, moved-back shift.

    Calibration files hold rotations to some digits; the transposed matrix is what pseudo-lidar
    codes use, and it differs from the general inverse in the last bits of a float32 point.

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
