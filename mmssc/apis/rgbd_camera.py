"""The camera of a depth image: checked intrinsics, and the pose, given or from the floor."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from mmssc.errors import DataError
from mmssc.formats.depth_units import unit_hint
from mmssc.formats.matrices import camera_matrix
from mmssc.geometry import pose_above_floor
from mmssc.structures.camera_checks import as_intrinsics, as_pose, principal_point_remarks
from mmssc.structures.camera_placement import check_stand

__all__ = ['floor_pose', 'given_pose', 'read_intrinsics', 'warn_of']

_FLOOR_REMEDY = (
    'Is the image upright (--rotate)? Or give --height and --tilt, or the pose with --cam2world'
)


def warn_of(name: str, remarks: Sequence[str]) -> None:
    """Warn of what is suspicious about a depth image or its camera."""
    for remark in remarks:
        warnings.warn(f'{name}: {remark}', stacklevel=4)


def read_intrinsics(name: str, cam2img: Any, size: tuple[int, int]) -> torch.Tensor:
    """Check intrinsics.

    Args:
        name: The depth image, for messages.
        cam2img: (3, 3) in pixels, or ``fx, fy, cx, cy``.
        size: (height, width) of the image.

    Returns:
        (3, 3) float64.

    Raises:
        DataError: These are no intrinsics of a pinhole camera with images of this size.
    """
    matrix = np.asarray(cam2img, np.float64)
    matrix = camera_matrix(matrix) if matrix.shape == (4,) else matrix
    matrix = as_intrinsics(matrix, name, 'cam2img', size)
    warn_of(name, principal_point_remarks(matrix, size))
    return torch.from_numpy(matrix)


def given_pose(name: str, cam2world: Any, turn: torch.Tensor, has_floor: bool) -> torch.Tensor:
    """Check a pose that the caller gives.

    Args:
        name: The depth image, for messages.
        cam2world: (4, 4) of the image as given.
        turn: (4, 4) from its camera frame to that of the upright image.
        has_floor: Whether the floor of the world is at z = 0.

    Returns:
        (4, 4) float32, camera of the upright image to the world.

    Raises:
        DataError: It is no pose, or that of a camera upside down or below the floor.
    """
    if np.shape(cam2world) != (4, 4):
        raise DataError(name, 'cam2world, shape', (4, 4), np.shape(cam2world))
    pose = torch.from_numpy(as_pose(cam2world, name, 'cam2world')) @ turn.T
    warn_of(name, check_stand(pose.numpy(), name, 'cam2world', has_floor))
    return pose.float()


def floor_pose(
    name: str,
    depth: np.ndarray,
    camera: torch.Tensor,
    angles: tuple[float | None, float, float],
    units: Mapping[str, float],
) -> tuple[torch.Tensor, float | None]:
    """Pose (4, 4) float32 and confidence, see :func:`~mmssc.geometry.pose_above_floor`.

    Args:
        name: The depth image, for messages.
        depth: (H, W) float32 metres of the upright image, 0 = none.
        camera: (3, 3) intrinsics of the upright image.
        angles: Height (None: search the floor), tilt and roll.
        units: Other readings of the depth, see :mod:`mmssc.formats.depth_units`.

    Raises:
        DataError: The floor is not found, or an angle is out of range.
    """
    try:
        return pose_above_floor(torch.from_numpy(depth), camera.float(), *angles)
    except DataError as error:
        if error.field != 'floor':
            raise
        hint = unit_hint(depth, units, _FLOOR_REMEDY)
        raise DataError(name, error.field, error.expected, error.found, hint) from error
