"""Check arrays of files; a :class:`~mmssc.errors.DataError` names the file and the key."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from os import PathLike

import numpy as np

from mmssc.errors import DataError

__all__ = ['Shape', 'check_labels', 'check_tsdf', 'check_volume', 'check_whole_numbers']

Shape = Sequence[int]
# Rounding of a mean or to float16 can exceed [-1, 1] by this.
_TSDF_LIMIT = 1.001


def check_volume(
    array: np.ndarray, shape: Shape, path: str | PathLike[str], key: str, any_shape: bool = False
) -> np.ndarray:
    """Check the shape of an array (flat or ``shape``, axes of length 1 ignored) and reshape it.

    Args:
        array: Any type.
        shape: Shape of the result.
        path: The file, for the error.
        key: Name of the array, for the error.
        any_shape: Only the number of entries matters.

    Raises:
        DataError: The array has another shape.
    """
    trimmed = tuple(side for side in array.shape if side != 1)
    known = trimmed in ((prod(shape),), tuple(side for side in shape if side != 1))
    if array.size != prod(shape) or not (known or any_shape):
        raise DataError(path, f'{key}, shape', f'({prod(shape)},) or {tuple(shape)}', array.shape)
    return array.reshape(shape)


def check_whole_numbers(
    array: np.ndarray, low: int, high: int, path: str | PathLike[str], key: str, hint: str = ''
) -> np.ndarray:
    """Convert integers in ``[low, high]`` to int64 (a copy); refuse other values.

    Raises:
        DataError: A number is smaller, larger or not an integer.
    """
    # Comparisons with NaN are false, so this refuses NaN, too.
    valid = (array >= low) & (array <= high)
    if array.dtype.kind == 'f':
        valid &= np.floor(array) == array
    if not valid.all():
        found = np.unique(array[~valid])[:3].tolist()
        raise DataError(path, key, f'whole numbers {low}..{high}', found, hint or None)
    return array.astype(np.int64)


def check_labels(
    array: np.ndarray, num_classes: int, path: str | PathLike[str], key: str
) -> np.ndarray:
    """Convert to uint8 class ids, 255 = ignore.

    Raises:
        DataError: An id is neither a class nor 255.
    """
    labels = check_whole_numbers(array, 0, 255, path, key)
    bad = np.unique(labels[(labels >= num_classes) & (labels != 255)])
    if bad.size:
        raise DataError(path, key, f'0..{num_classes - 1} or 255', bad[:5].tolist())
    return labels.astype(np.uint8)


def check_tsdf(array: np.ndarray, shape: Shape, path: str | PathLike[str], key: str) -> np.ndarray:
    """Convert to a float32 volume of ``shape``.

    Raises:
        DataError: The array has another shape, or a number is not in [-1, 1].
    """
    volume = check_volume(array, shape, path, key).astype(np.float32)
    if not (np.abs(volume) <= _TSDF_LIMIT).all():
        raise DataError(path, key, 'numbers of [-1, 1]', 'NaN, infinity or larger')
    return volume
