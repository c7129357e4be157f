"""Read and check what a caller gives for one frame of a drive: files or arrays."""

from __future__ import annotations

from os import PathLike, fspath
from typing import Any

import numpy as np

from mmssc.errors import DataError
from mmssc.formats.images import check_upright
from mmssc.formats.kitti import read_depth, read_velodyne
from mmssc.structures.camera_checks import as_pose

from .base_inferencer import read_image
from .image_depth import EstimatedDepth

__all__ = [
    'read_frame_depth', 'read_frame_points', 'read_motion', 'read_right_image', 'source_of',
]  # fmt: skip


def source_of(value: Any) -> str | None:
    """The file of an image or a depth map; None for an array."""
    return fspath(value) if isinstance(value, (str, PathLike)) else None


def read_right_image(value: Any, left: str | None, name: str) -> np.ndarray:
    """The right image of a rectified pair, (H, W, 3) uint8 RGB.

    Args:
        value: File or array.
        left: File of the left image, None for an array.
        name: The frame, for errors.

    Raises:
        DataError: It cannot be read, or one of the two files turns when it is read.
    """
    for path in filter(None, (left, source_of(value))):
        check_upright(path, 'two rectified images lie side by side')
    return read_image(value, f'{name}, right image')


def read_frame_depth(value: Any, size: tuple[int, int], name: str) -> np.ndarray | EstimatedDepth:
    """Depth (H, W) float32 in metres, 0 = none, that a caller gives as a file or an array.

    Raises:
        DataError: It is wrong, or has another size than the image.
    """
    if isinstance(value, EstimatedDepth):
        return value
    if isinstance(value, (str, PathLike)):
        name, depth = fspath(value), read_depth(value)
    else:
        depth = np.asarray(value, dtype=np.float32)
    if depth.shape != size:
        raise DataError(name, 'depth size', f'{size} as the image', depth.shape)
    if not np.isfinite(depth).all() or (depth < 0).any():
        raise DataError(name, 'depth', 'finite metres, 0 = none', 'NaN, infinity or negative')
    return depth


def read_frame_points(value: Any, name: str) -> np.ndarray:
    """Points (M, 3) float32 in metres that a caller gives as a file or an array.

    Raises:
        DataError: They are wrong.
    """
    if isinstance(value, (str, PathLike)):
        return read_velodyne(value)[:, :3]
    points = np.asarray(value, dtype=np.float32)
    if points.ndim != 2 or points.shape[1] < 3 or not np.isfinite(points).all():
        raise DataError(name, 'points', '(M, 3) finite metres', f'{points.dtype} {points.shape}')
    return points[:, :3]


def read_motion(matrix: Any, field: str, name: str) -> np.ndarray:
    """``frame2ref`` (4, 4) float64 of an earlier frame.

    Raises:
        DataError: It is missing, or no rotation and shift.
    """
    if matrix is None:
        raise DataError(name, field, '(4, 4), its voxel frame to the current one', 'none')
    return as_pose(matrix, name, field)
