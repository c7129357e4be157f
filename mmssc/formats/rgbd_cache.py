"""All frames of an RGB-D data set in one small file.

An ``.npz`` (NumPy reads it) with the arrays ``FRAME/NAME``: ``tsdf`` int8 (127 times the value),
``visible`` uint8 (packed bits: the voxels with a pixel) and ``pixel_steps`` uint8 (4, N: the bytes,
lowest first, of the steps from one of those pixels to the next, little-endian int32), ``label``
uint8, ``label_weight`` uint8 (packed bits) and, where the data set has one, ``segmentation`` uint8.
The reader also accepts older caches with ``voxel_to_pixel`` int32 instead of these two arrays. In
an info file, a frame's file is ``CACHE.npz/FRAME`` and its format ``cached``: the loader reads
single frames from it.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from math import prod
from os import fspath

import numpy as np

from mmssc.errors import DataError
from mmssc.fileio import atomic_write
from mmssc.structures.sample_keys import SAMPLE_KEYS

from .numpy_arrays import NpzArchive, write_npz_member
from .rgbd_format import Arrays, FramePath, FrameSpec
from .volumes import check_labels, check_volume, check_whole_numbers

__all__ = ['CACHED_NAMES', 'read_cached', 'write_frame_cache']

_LEFT_OUT = ('gt_sketch', 'tsdf_fine')  # Sketches follow from the labels; this TSDF is large.
#: Key -> name in the cache.
CACHED_NAMES = {
    key.name: key.stored_as
    for key in SAMPLE_KEYS.values()
    if key.stored_as and key.name not in _LEFT_OUT
}
_TYPES = dict(
    tsdf=np.int8, voxel_to_pixel=np.int32, visible=np.uint8, pixel_steps=np.uint8, label=np.uint8,
    label_weight=np.uint8, segmentation=np.uint8,
)  # fmt: skip
_TSDF_STEPS = 127
_MAPPING_TYPE = np.dtype('<i4')
# Written once, read often: the smallest output of zlib, which is read as fast as others.
_COMPRESSION = 9


def write_frame_cache(
    path: FramePath, frames: Iterable[tuple[str, Mapping[str, np.ndarray]]]
) -> int:
    """Write a cache, atomically.

    Args:
        path: The file, ``.npz``.
        frames: Frame id and arrays by key, as :func:`mmssc.formats.rgbd_frame.read_frame_file`
            returns them, one frame after the other.

    Returns:
        Number of frames.
    """
    count = 0
    with atomic_write(path) as file, zipfile.ZipFile(file, 'w', zipfile.ZIP_DEFLATED) as archive:
        for frame_id, arrays in frames:
            for key, array in arrays.items():
                for name, stored in _pack(key, array).items():
                    write_npz_member(archive, f'{frame_id}/{name}', stored, _COMPRESSION)
            count += 1
    return count


def _pack(key: str, array: np.ndarray) -> dict[str, np.ndarray]:
    if key == 'voxel_to_pixel':
        flat = array.reshape(-1)
        pixels = flat[flat >= 0].astype(_MAPPING_TYPE)
        steps = np.diff(pixels, prepend=_MAPPING_TYPE.type(0))
        planes = np.ascontiguousarray(steps).view(np.uint8).reshape(-1, _MAPPING_TYPE.itemsize).T
        return dict(visible=np.packbits(flat >= 0), pixel_steps=planes)
    if key == 'tsdf':
        array = np.round(array.clip(-1, 1) * _TSDF_STEPS)
    elif key == 'label_weight':
        array = np.packbits(array.reshape(-1))
    name = CACHED_NAMES[key]
    return {name: array.astype(_TYPES[name])}


def read_cached(path: FramePath, keys: Sequence[str], spec: FrameSpec) -> Arrays:
    """Arrays of one frame.

    Args:
        path: ``CACHE.npz/FRAME``.
        keys: Some of :data:`CACHED_NAMES`.
        spec: Shapes and ranges that they must have.

    Returns:
        As :func:`mmssc.formats.rgbd_frame.read_frame_file`; the TSDF is off by up to 0.004.

    Raises:
        DataError: The cache is missing or damaged, does not have the frame or a key, or an array
            has another type, shape or range.
    """
    frame = _CachedFrame(*os.path.split(fspath(path)))
    arrays: Arrays = {}
    for key in keys:
        if key == 'voxel_to_pixel':
            mapping, last = frame.mapping(spec.shape), prod(spec.image_size) - 1
            checked = check_whole_numbers(mapping, -1, last, *frame.where(key))
            arrays[key] = checked.astype(np.int32)
        elif key == 'label_weight':
            arrays[key] = frame.bits(CACHED_NAMES[key], spec.shape)
        else:
            name = CACHED_NAMES[key]
            array = frame.read(name, spec.image_size if key == 'segmentation' else spec.shape)
            if key == 'tsdf':
                array = array.astype(np.float32) / np.float32(_TSDF_STEPS)
            elif key == 'gt_voxels':
                array = check_labels(array, spec.num_classes, *frame.where(name))
            arrays[key] = array
    return arrays


class _CachedFrame:
    """The arrays of one frame by their names in the file."""

    def __init__(self, file: str, frame_id: str) -> None:
        self.file, self.frame_id = file, frame_id
        self.archive = _archive_of(file)

    def where(self, name: str) -> tuple[str, str]:
        """File and array, for errors."""
        return self.file, f'{self.frame_id}/{name}'

    def read(self, name: str, shape: Sequence[int] | None) -> np.ndarray:
        """Read an array; check its type, and its shape unless ``shape`` is None."""
        array = self.archive.read(self.where(name)[1])
        wanted = np.dtype(_TYPES[name])
        if array.dtype != wanted:
            raise DataError(self.file, f'{self.frame_id}/{name}, dtype', wanted, array.dtype)
        return array if shape is None else check_volume(array, shape, *self.where(name))

    def bits(self, name: str, shape: Sequence[int]) -> np.ndarray:
        """Read packed bits as bool of this shape."""
        packed = self.read(name, (-(-prod(shape) // 8),))
        return np.unpackbits(packed, count=prod(shape)).view(bool).reshape(shape)

    def mapping(self, shape: Sequence[int]) -> np.ndarray:
        """Pixel of each voxel, -1 = none."""
        if self.where('pixel_steps')[1] not in self.archive:
            # An older cache. If this array is missing, too, the error has its name.
            return self.read('voxel_to_pixel', shape)
        visible, planes = self.bits('visible', shape), self.read('pixel_steps', None)
        wanted = (_MAPPING_TYPE.itemsize, int(visible.sum()))
        if planes.shape != wanted:
            name = f'{self.frame_id}/pixel_steps, shape'
            raise DataError(self.file, name, wanted, planes.shape)
        steps = np.ascontiguousarray(planes.T).view(_MAPPING_TYPE)
        mapping = np.full(shape, -1, np.int64)
        mapping[visible] = steps.reshape(-1).cumsum(dtype=np.int64)
        return mapping


def _archive_of(file: str) -> NpzArchive:
    if not os.path.isfile(file):
        hint = 'Run: python tools/dataset_converters/nyu_cache.py ROOT --out FOLDER_OF_THE_CACHE'
        raise DataError(file, 'cache', 'a file', 'no such file', hint)
    status = os.stat(file)
    # One handle per process: forked processes would share the position in the file.
    return _open_archive(file, os.getpid(), status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=4)
def _open_archive(file: str, process: int, changed: int, size: int) -> NpzArchive:
    return NpzArchive(file)
