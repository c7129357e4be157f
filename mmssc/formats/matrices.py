"""Camera matrices and poses: read text files and check the values."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike

import numpy as np

from mmssc.errors import DataError

from .regular_files import read_text

__all__ = ['camera_matrix', 'check_projection', 'check_rigid', 'read_matrix', 'to_homogeneous']

# Pose files have 6 significant digits, so rotations are orthonormal to about 1e-5.
_RIGID_TOLERANCE = 1e-3


def to_homogeneous(matrix: np.ndarray) -> np.ndarray:
    """Append the row (0, 0, 0, 1): (..., 3, 4) -> (..., 4, 4) float64."""
    matrix = np.asarray(matrix, np.float64)
    full = np.zeros((*matrix.shape[:-2], 4, 4))
    full[..., :3, :], full[..., 3, 3] = matrix, 1.0
    return full


def check_rigid(matrix: np.ndarray, file: str | PathLike[str], field: str) -> None:
    """Refuse a (..., 3 or 4, 4) matrix whose rotation part is not a rotation.

    Raises:
        DataError: A number is not finite, or the rows are not orthonormal and right-handed.
    """
    matrix = np.asarray(matrix, np.float64)
    if not np.isfinite(matrix).all():
        raise DataError(file, field, 'finite numbers', 'NaN or infinity')
    rotation = matrix[..., :3, :3].reshape(-1, 3, 3)
    # Entries of a rotation are at most 1: clipping keeps products of wrong values finite.
    rotation = np.clip(rotation, -2, 2)
    error = np.abs(rotation @ rotation.transpose(0, 2, 1) - np.eye(3)).max(axis=(1, 2))
    bad = np.flatnonzero((error > _RIGID_TOLERANCE) | (np.linalg.det(rotation) < 0))
    if bad.size:
        where = f', entry {bad[0]}' if matrix.ndim > 2 else ''
        found = rotation[bad[0]].tolist()
        raise DataError(file, field + where, 'a rotation and a shift', found)


def check_projection(matrix: np.ndarray, file: str | PathLike[str], field: str) -> None:
    """Refuse a (3, 4) pinhole projection without positive focal lengths.

    Raises:
        DataError: A focal length is not positive, or the third row does not begin with (0, 0, 1).
    """
    if not (np.isfinite(matrix).all() and matrix[0, 0] > 0 and matrix[1, 1] > 0):
        raise DataError(file, field, 'positive focal lengths', np.asarray(matrix).tolist())
    if not np.array_equal(matrix[2, :3], (0, 0, 1)):
        raise DataError(file, field, 'a third row 0 0 1', np.asarray(matrix)[2].tolist())


def camera_matrix(camera: Sequence[float] | np.ndarray) -> np.ndarray:
    """(3, 3) float64 intrinsics of ``fx, fy, cx, cy`` (pixels)."""
    fx, fy, cx, cy = camera
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], np.float64)


def read_matrix(path: str | PathLike[str], shape: tuple[int, int]) -> np.ndarray:
    """Read numbers, separated by blanks or commas, from a text file as float64 of ``shape``.

    Raises:
        DataError: The file is missing, has other content, or another count of numbers.
    """
    words = read_text(path).replace(',', ' ').split()
    try:
        numbers = np.array([float(word) for word in words])
    except ValueError as error:
        raise DataError(path, 'content', 'numbers', error) from error
    if numbers.size != shape[0] * shape[1] or not np.isfinite(numbers).all():
        expected = f'{shape[0]} x {shape[1]} finite numbers'
        raise DataError(path, 'content', expected, f'{numbers.size} numbers')
    return numbers.reshape(shape)
