"""All frames of an RGB-D data set in one small file.

An ``.npz`` (NumPy reads it) with the arrays ``FRAME/NAME``: ``tsdf`` int8 (127 times the value),
``voxel_to_pixel`` int32, ``label`` uint8, ``label_weight`` uint8 (packed bits) and, where the data
set has one, ``segmentation`` uint8. In an info list the file of a frame is ``CACHE.npz/FRAME`` with
the format ``cached``: the loader reads single frames out of it.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from math import prod
from os import PathLike, fspath

import numpy as np

from mmssc.datasets.strict_files import NpzArchive, write_npz_member
from mmssc.datasets.volume_checks import check_labels, check_volume, check_whole_numbers
from mmssc.errors import DataError
from mmssc.fileio import atomic_write

__all__ = ['CACHED_NAMES', 'read_cached', 'write_frame_cache']

#: Key -> name in the cache.
CACHED_NAMES = dict(
    tsdf='tsdf', voxel_to_pixel='voxel_to_pixel', gt_voxels='label', label_weight='label_weight',
    segmentation='segmentation',
)  # fmt: skip
_TYPES = dict(
    tsdf=np.int8, voxel_to_pixel=np.int32, label=np.uint8, label_weight=np.uint8,
    segmentation=np.uint8,
)  # fmt: skip
_TSDF_STEPS = 127


def write_frame_cache(
    path: str | PathLike[str], frames: Iterable[tuple[str, Mapping[str, np.ndarray]]]
) -> int:
    """Write a cache, atomically.

    Args:
        path: The file, ``.npz``.
        frames: Frame id and arrays by key, as :func:`mmssc.datasets.frame_files.read_frame_file`
            gives them, one frame after the other.

    Returns:
        Number of frames.
    """
    count = 0
    with atomic_write(path) as file, zipfile.ZipFile(file, 'w', zipfile.ZIP_DEFLATED) as archive:
        for frame_id, arrays in frames:
            for key, array in arrays.items():
                write_npz_member(archive, f'{frame_id}/{CACHED_NAMES[key]}', _pack(key, array))
            count += 1
    return count


def _pack(key: str, array: np.ndarray) -> np.ndarray:
    if key == 'tsdf':
        array = np.round(array.clip(-1, 1) * _TSDF_STEPS)
    elif key == 'label_weight':
        array = np.packbits(array.reshape(-1))
    return array.astype(_TYPES[CACHED_NAMES[key]])


def read_cached(
    path: str | PathLike[str],
    keys: Sequence[str],
    shape: Sequence[int],
    image_size: tuple[int, int],
    num_classes: int,
) -> dict[str, np.ndarray]:
    """Arrays of one frame.

    Args:
        path: ``CACHE.npz/FRAME``.
        keys: Some of :data:`CACHED_NAMES`.
        shape: Shape of the volumes.
        image_size: (height, width).
        num_classes: Classes with the empty one.

    Returns:
        As :func:`mmssc.datasets.frame_files.read_frame_file`; the TSDF is off by up to 0.004.

    Raises:
        DataError: The cache is missing or damaged, has no such frame, or one without a key, or an
            array of another type, shape or range.
    """
    file, frame_id = os.path.split(fspath(path))
    arrays = {}
    for key in keys:
        name = f'{frame_id}/{CACHED_NAMES[key]}'
        array = _read_member(file, name)
        wanted = np.dtype(_TYPES[CACHED_NAMES[key]])
        if array.dtype != wanted:
            raise DataError(file, f'{name}, dtype', wanted, array.dtype)
        arrays[key] = _unpack(key, array, (file, name), shape, image_size, num_classes)
    return arrays


def _unpack(
    key: str,
    array: np.ndarray,
    where: tuple[str, str],
    shape: Sequence[int],
    image_size: tuple[int, int],
    num_classes: int,
) -> np.ndarray:
    if key == 'segmentation':
        return check_volume(array, image_size, *where)
    if key == 'label_weight':
        array = check_volume(array, (-(-prod(shape) // 8),), *where)
        return np.unpackbits(array, count=prod(shape)).astype(bool).reshape(shape)
    array = check_volume(array, shape, *where)
    if key == 'tsdf':
        return array.astype(np.float32) / np.float32(_TSDF_STEPS)
    if key == 'voxel_to_pixel':
        return check_whole_numbers(array, -1, prod(image_size) - 1, *where).astype(np.int32)
    return check_labels(array, num_classes, *where)


def _read_member(file: str, name: str) -> np.ndarray:
    if not os.path.isfile(file):
        raise DataError(file, 'cache', 'a file', 'no such file')
    status = os.stat(file)
    # A handle of its own for each process: forked ones would share the position in the file.
    return _open_archive(file, os.getpid(), status.st_mtime_ns, status.st_size).read(name)


@lru_cache(maxsize=4)
def _open_archive(file: str, process: int, changed: int, size: int) -> NpzArchive:
    return NpzArchive(file)
