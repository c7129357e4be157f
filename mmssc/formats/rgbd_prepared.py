"""Our own files of RGB-D frames: one npz per frame.

``tools/dataset_converters/nyu.py`` and ``own_rgbd.py`` write them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

import numpy as np

from mmssc.errors import DataError
from mmssc.structures.sample_keys import SAMPLE_KEYS

from .numpy_arrays import NpzArchive, read_npz, write_npz
from .rgbd_format import Arrays, FramePath, FrameSpec
from .volumes import check_labels, check_tsdf, check_volume, check_whole_numbers

__all__ = ['PREPARED_NAMES', 'has_prepared', 'read_prepared', 'write_prepared']

#: Key -> name in a prepared npz: the stored volumes.
PREPARED_NAMES = {
    key.name: key.stored_as for key in SAMPLE_KEYS.values() if key.stored_as and key.over_voxels
}
# Smaller types than in a sample.
_STORED_TYPES = dict(tsdf_fine='float16', voxel_to_pixel='int32')


def read_prepared(path: FramePath, keys: Sequence[str], spec: FrameSpec) -> Arrays:
    """Read arrays of a prepared npz.

    Args:
        path: The file.
        keys: Some of :data:`PREPARED_NAMES`.
        spec: Shapes and ranges that they must have.

    Returns:
        As :func:`mmssc.formats.rgbd_frame.read_frame_file`.

    Raises:
        DataError: The file is missing or damaged, or an array is missing or has another type, shape
            or range.
    """
    names = {key: PREPARED_NAMES[key] for key in keys}
    stored = read_npz(path, list(names.values()))
    return {key: _checked(path, key, stored[name], spec) for key, name in names.items()}


def _stored_type(key: str) -> np.dtype:
    return np.dtype(_STORED_TYPES.get(key, SAMPLE_KEYS[key].dtype))


def _checked(path: FramePath, key: str, array: np.ndarray, spec: FrameSpec) -> np.ndarray:
    name = PREPARED_NAMES[key]
    wanted = _stored_type(key)
    if array.dtype.kind != wanted.kind:
        raise DataError(path, f'{name}, dtype', wanted, array.dtype)
    shape = spec.fine_grid.shape if key == 'tsdf_fine' else spec.shape
    if key in ('tsdf', 'tsdf_fine'):
        return check_tsdf(array, shape, path, name)
    volume = check_volume(array, shape, path, name)
    if key == 'voxel_to_pixel':
        last = prod(spec.image_size) - 1
        return check_whole_numbers(volume, -1, last, path, name).astype(np.int32)
    if key == 'gt_voxels':
        return check_labels(volume, spec.num_classes, path, name)
    if key == 'gt_sketch':
        return check_whole_numbers(volume, 0, 1, path, name).astype(np.uint8)
    return volume


def write_prepared(
    path: FramePath,
    arrays: Mapping[str, np.ndarray],
    spec: FrameSpec,
    extras: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Write a prepared npz, atomically; :func:`read_prepared` returns the same arrays.

    ``tsdf_fine`` is rounded to float16.

    Args:
        path: The file.
        arrays: By key, see :func:`mmssc.formats.rgbd_frame.read_frame_file`.
        spec: Shapes and ranges that they must have.
        extras: Further arrays, by their name in the file.

    Raises:
        DataError: :func:`read_prepared` would refuse an array.
    """
    stored = dict(extras or {})
    for key, array in arrays.items():
        name = PREPARED_NAMES[key]
        stored[name] = _checked(path, key, np.asarray(array), spec).astype(_stored_type(key))
    write_npz(path, stored)


def has_prepared(path: FramePath, keys: Sequence[str], extras: Sequence[str] = ()) -> bool:
    """Whether a prepared npz exists and has these keys (the contents are not checked)."""
    names = [*(PREPARED_NAMES[key] for key in keys), *extras]
    try:
        with NpzArchive(path) as archive:
            return all(name in archive for name in names)
    except DataError:
        return False
