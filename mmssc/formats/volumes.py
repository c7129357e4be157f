"""Check arrays of files; a :class:`~mmssc.errors.DataError` names the file and the key."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from os import PathLike

import numpy as np

from mmssc.errors import DataError, counted

__all__ = [
    'Shape', 'check_class_ids', 'check_labels', 'check_tsdf', 'check_volume',
    'check_whole_numbers', 'describe_ids', 'order_hint', 'unlabelled_remark',
]  # fmt: skip

Shape = Sequence[int]
# Rounding of a mean or to float16 can exceed [-1, 1] by this.
_TSDF_LIMIT = 1.001
_IDS_SHOWN = 5


def describe_ids(ids: np.ndarray) -> str:
    """The ids of some voxels, most frequent first: ``'9 (1200 voxels), 17 (30 voxels)'``."""
    values, counts = np.unique(ids, return_counts=True)
    order = np.argsort(-counts, kind='stable')
    shown = [f'{values[n]:g} ({counted(counts[n], "voxel")})' for n in order[:_IDS_SHOWN]]
    more = len(values) - len(shown)
    return ', '.join(shown) + (f' and {counted(more, "other id")}' if more else '')


def check_class_ids(
    labels: np.ndarray, num_classes: int, path: str | PathLike[str], key: str, ignore: int = 255
) -> None:
    """Refuse labels with an id that is neither a class nor ``ignore``.

    Args:
        labels: Whole numbers, any shape.
        num_classes: Number of classes of the data set, including "empty".
        path: The file, for the error.
        key: Name of the array, for the error.
        ignore: Id of voxels without a label.

    Raises:
        DataError: There is another id.
    """
    other = labels[((labels < 0) | (labels >= num_classes)) & (labels != ignore)]
    if other.size:
        raise DataError(
            path, key, f'0..{num_classes - 1} or {ignore} ({num_classes} classes)',
            describe_ids(other),
            'Are these raw ids, or labels of other classes? Labels hold ids of these classes',
        )  # fmt: skip


def unlabelled_remark(labels: np.ndarray, ignore: int = 255) -> str | None:
    """What is odd about labels without any occupied voxel; None if they have one."""
    if ((labels != 0) & (labels != ignore)).any():
        return None
    if (labels == ignore).all():
        return f'every voxel is {ignore} (ignored)'
    return 'every voxel is empty (0) or ignored' if (labels != 0).any() else 'every voxel is empty'


def order_hint(expected: Shape, found: Shape) -> str | None:
    """A hint if a shape has the expected sides in another order."""
    if tuple(expected) == tuple(found) or sorted(expected) != sorted(found):
        return None
    return 'The axes are in another order: transpose the array'


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
        expected = f'({prod(shape)},) or {tuple(shape)}'
        hint = order_hint(shape, array.shape)
        raise DataError(path, f'{key}, shape', expected, array.shape, hint)
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
        found = ', '.join(f'{value:g}' for value in np.unique(array[~valid])[:3])
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
    check_class_ids(labels, num_classes, path, key)
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
