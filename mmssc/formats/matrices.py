"""Camera matrices and poses: text files and conversions."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike

import numpy as np

from mmssc.errors import DataError

from .regular_files import read_text

__all__ = ['camera_matrix', 'read_matrix', 'to_homogeneous']


def to_homogeneous(matrix: np.ndarray) -> np.ndarray:
    """Append the row (0, 0, 0, 1): (..., 3, 4) -> (..., 4, 4) float64."""
    matrix = np.asarray(matrix, np.float64)
    full = np.zeros((*matrix.shape[:-2], 4, 4))
    full[..., :3, :], full[..., 3, 3] = matrix, 1.0
    return full


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
