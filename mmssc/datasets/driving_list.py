"""The info file: the frames of a split, and the calibration and poses of their sequences.

Plain JSON without paths, so a prepared tree can be moved or mounted anywhere::

    {"metainfo": {"dataset": "SemanticKITTI", "split": "train", "format_version": 1,
                  "voxel_grid": {"origin": .., "voxel_size": .., "shape": .., ..},
                  "cropped_images": false (optional)},
     "sequences": {"00": {"P2": 3x4, "P3": 3x4 (optional), "lidar2cam": 4x4,
                          "poses": [[12 numbers], ..], "pose_indices": [..] (optional)}},
     "data_list": [{"sequence": "00", "frame_id": "000000", "labelled": true}, ..]}

``poses`` are those of the data set's own ``poses.txt`` (SemanticKITTI: camera poses; KITTI-360:
vehicle poses). Line n is the pose of frame n, or of frame ``pose_indices[n]`` if these are given.
Only then can a frame have no pose. ``cropped_images``: the images are cut out of larger ones, so
the principal point can be anywhere.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from os import PathLike
from typing import Any

import numpy as np

from mmssc.errors import DataError, join_sentences
from mmssc.fileio import atomic_write
from mmssc.formats.json_fields import MAX_LIST_BYTES, read_json, require_array, require_field
from mmssc.structures import VoxelGrid
from mmssc.structures.camera_checks import as_intrinsics, as_pose

__all__ = ['FORMAT_VERSION', 'read_driving_list', 'write_driving_list']

FORMAT_VERSION = 1
_FRAME_NUMBER = re.compile('[0-9]{1,18}')
_SAFE_NAME = re.compile(r'[A-Za-z0-9_-]+')


def _parse_sequence(raw: Any, file: str, field: str) -> dict[str, np.ndarray]:
    sequence = {}
    for key in ('P2', 'P3'):
        if key == 'P2' or (isinstance(raw, Mapping) and key in raw):
            matrix = require_array(raw, key, (3, 4), file, field)
            sequence[key] = as_intrinsics(matrix, file, f'{field}.{key}')
    matrix = require_array(raw, 'lidar2cam', (4, 4), file, field)
    sequence['lidar2cam'] = as_pose(matrix, file, f'{field}.lidar2cam')
    rows = require_array(raw, 'poses', (None, 12), file, field)
    sequence['poses'] = as_pose(rows.reshape(-1, 3, 4), file, f'{field}.poses')
    if 'pose_indices' in raw:
        name = f'{field}.pose_indices'
        index = require_array(raw, 'pose_indices', (None,), file, field)
        whole = (index == np.round(index)).all() and (index >= 0).all() and (index < 2**31).all()
        if len(index) != len(rows) or not whole or (np.diff(index) <= 0).any():
            found = f'{len(index)} numbers'
            raise DataError(file, name, f'{len(rows)} rising whole numbers', found)
        sequence['pose_indices'] = index.astype(np.int64)
    return sequence


def _parse_sample(raw: Any, number: int, sequences: Mapping, file: str) -> dict[str, Any]:
    field = f'data_list[{number}]'
    sample: dict[str, Any] = {
        'sequence': require_field(raw, 'sequence', str, file, field),
        'frame_id': require_field(raw, 'frame_id', str, file, field),
        'labelled': require_field(raw, 'labelled', bool, file, field),
    }
    if sample['sequence'] not in sequences:
        raise DataError(file, f'{field}.sequence', 'a key of "sequences"', sample['sequence'])
    if not _FRAME_NUMBER.fullmatch(sample['frame_id']):
        raise DataError(file, f'{field}.frame_id', 'up to 18 digits', sample['frame_id'][:40])
    return sample


def _parse_info(raw: Any, file: str) -> dict[str, Any]:
    metainfo = dict(require_field(raw, 'metainfo', Mapping, file, ''))
    version = require_field(metainfo, 'format_version', int, file, 'metainfo')
    if version != FORMAT_VERSION:
        raise DataError(file, 'metainfo.format_version', FORMAT_VERSION, version)
    for key in ('dataset', 'split'):
        require_field(metainfo, key, str, file, 'metainfo')
    if 'cropped_images' in metainfo:
        require_field(metainfo, 'cropped_images', bool, file, 'metainfo')
    grid = require_field(metainfo, 'voxel_grid', Mapping, file, 'metainfo')
    try:
        metainfo['voxel_grid'] = VoxelGrid.build(grid)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(file, 'metainfo.voxel_grid', 'a voxel grid', error) from error
    sequences = {}
    for name, value in require_field(raw, 'sequences', Mapping, file, '').items():
        if not isinstance(name, str) or not _SAFE_NAME.fullmatch(name):
            raise DataError(file, 'sequences', 'plain folder names', repr(name))
        sequences[name] = _parse_sequence(value, file, f'sequences.{name}')
    data_list = [
        _parse_sample(item, number, sequences, file)
        for number, item in enumerate(require_field(raw, 'data_list', list, file, ''))
    ]
    keys = [(sample['sequence'], sample['frame_id']) for sample in data_list]
    if len(set(keys)) != len(keys):
        double = Counter(keys).most_common(1)[0][0]
        raise DataError(file, 'data_list', 'every frame once', '/'.join(double))
    return {'metainfo': metainfo, 'sequences': sequences, 'data_list': data_list}


def read_driving_list(path: str | PathLike[str], hint: str | None = None) -> dict[str, Any]:
    """Read and check an info file.

    Args:
        path: The file.
        hint: What to do if it is missing or damaged.

    Returns:
        ``metainfo`` (with a :class:`VoxelGrid`), ``sequences`` (name -> ``P2`` (3, 4), ``P3`` if
        any, ``lidar2cam`` (4, 4), ``poses`` (N, 4, 4), all float64, and ``pose_indices`` (N,)
        int64 if any) and ``data_list`` as stored.

    Raises:
        DataError: The file is missing, is not JSON, or has a wrong or missing value.
    """
    try:
        return _parse_info(read_json(path, MAX_LIST_BYTES), str(path))
    except DataError as error:
        hint = join_sentences(error.hint or '', hint or '') or None
        raise DataError(error.file, error.field, error.expected, error.found, hint) from error


def _rows(key: str, value: Any) -> Any:
    is_poses = key == 'poses' and isinstance(value, np.ndarray) and value.ndim == 3
    return value[:, :3].reshape(-1, 12) if is_poses else value


def _plain(value: Any) -> Any:
    if isinstance(value, VoxelGrid):
        return value.to_dict()
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    if isinstance(value, Mapping):
        return {str(key): _plain(_rows(key, item)) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def write_driving_list(path: str | PathLike[str], info: Mapping[str, Any]) -> None:
    """Write an info file; accepts what :func:`read_driving_list` returns.

    Args:
        path: The file.
        info: ``metainfo``, ``sequences`` and ``data_list`` as in the module's description; arrays
            and :class:`VoxelGrid` are converted, poses may be an (N, 3 or 4, 4) array.

    Raises:
        DataError: :func:`read_driving_list` would refuse the content; nothing is written.
    """
    plain = _plain(info)
    _parse_info(plain, str(path))
    with atomic_write(path, 'w') as file:
        json.dump(plain, file, allow_nan=False)
        file.write('\n')
