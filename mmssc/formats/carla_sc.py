"""Label files of CarlaSC: raw ids and numbers of rays, one value of four bytes per voxel."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from os import PathLike

import numpy as np

from mmssc.errors import DataError
from mmssc.fileio import atomic_write

from .regular_files import read_bytes, read_ends
from .volumes import describe_ids

__all__ = ['read_ray_counts', 'read_raw_ids', 'write_ray_counts', 'write_raw_ids']

#: CARLA's tags are 0..22.
_NUM_RAW_IDS = 23


def read_raw_ids(path: str | PathLike[str], shape: Sequence[int]) -> np.ndarray:
    """Read ``evaluation/FFFFFF.label``: raw ids, little-endian uint32.

    Args:
        path: The file.
        shape: (X, Y, Z), last axis fastest.

    Returns:
        uint8 of ``shape``, 0..22.

    Raises:
        DataError: The file is missing, does not have four bytes per voxel, or has other ids.
    """
    ids = _read_words(path, shape, '<u4')
    wrong = ids[ids >= _NUM_RAW_IDS]
    if wrong.size:
        expected = f"0..{_NUM_RAW_IDS - 1} (CARLA's tags)"
        raise DataError(path, 'ids', expected, describe_ids(wrong))
    return ids.astype(np.uint8)


def read_ray_counts(path: str | PathLike[str], shape: Sequence[int]) -> np.ndarray:
    """Read ``evaluation/FFFFFF.bin``: the number of rays of each voxel, little-endian float32.

    Args:
        path: The file.
        shape: (X, Y, Z), last axis fastest.

    Returns:
        float32 of ``shape``, 0 or more.

    Raises:
        DataError: The file is missing, does not have four bytes per voxel, or has a negative or
            non-finite number.
    """
    counts = _read_words(path, shape, '<f4')
    if not (np.isfinite(counts) & (counts >= 0)).all():
        raise DataError(path, 'counts', 'finite numbers of 0 or more', 'NaN, infinity or negative')
    return counts.astype(np.float32)


def write_raw_ids(path: str | PathLike[str], ids: np.ndarray) -> None:
    """Write raw ids as little-endian uint32."""
    _write_words(path, np.asarray(ids), '<u4')


def write_ray_counts(path: str | PathLike[str], counts: np.ndarray) -> None:
    """Write numbers of rays as little-endian float32."""
    _write_words(path, np.asarray(counts), '<f4')


def _read_words(path: str | PathLike[str], shape: Sequence[int], dtype: str) -> np.ndarray:
    expected, found = 4 * prod(shape), read_ends(path, 1)[2]
    if found != expected:
        text = f'{expected} bytes (four per voxel of {tuple(shape)})'
        raise DataError(path, 'size', text, f'{found} bytes')
    return np.frombuffer(read_bytes(path), dtype).reshape(shape)


def _write_words(path: str | PathLike[str], volume: np.ndarray, dtype: str) -> None:
    with atomic_write(path) as file:
        file.write(volume.astype(dtype).tobytes())
