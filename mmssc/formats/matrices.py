"""Camera matrices and poses: text files and conversions."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike

import numpy as np

from mmssc.errors import DataError

from .regular_files import read_text

__all__ = ['camera_matrix', 'parse_numbers', 'read_matrix', 'to_homogeneous']


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


def parse_numbers(
    words: Sequence[str], count: int, path: str | PathLike[str], field: str
) -> list[float]:
    """Convert words of a text file to finite numbers.

    Args:
        words: The words.
        count: How many there have to be.
        path: The file, for the error.
        field: Where they are in it, for the error.

    Raises:
        DataError: There are more or fewer words, or one is not a finite number.
    """
    if len(words) != count:
        raise DataError(path, field, f'{count} numbers', f'{len(words)} words')
    # float() also accepts '1_0' and non-ASCII digits, which no writer produces.
    odd = [word for word in words if '_' in word or not word.isascii()]
    if odd:
        raise DataError(path, field, f'{count} numbers', repr(odd[0][:40]))
    try:
        numbers = [float(word) for word in words]
    except ValueError as error:
        raise DataError(path, field, f'{count} numbers', error) from error
    if not np.isfinite(numbers).all():
        raise DataError(path, field, 'finite numbers', ' '.join(words))
    return numbers


def read_matrix(path: str | PathLike[str], shape: tuple[int, int]) -> np.ndarray:
    """Read numbers, separated by blanks or commas, from a text file as float64 of ``shape``.

    Raises:
        DataError: The file is missing, has other content, or another count of numbers.
    """
    words = read_text(path).replace(',', ' ').split()
    numbers = parse_numbers(words, shape[0] * shape[1], path, 'content')
    return np.array(numbers).reshape(shape)
