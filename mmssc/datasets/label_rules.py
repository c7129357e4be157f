"""Convert raw voxel labels to training labels, for all data sets of the KITTI family."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from os import PathLike

import numpy as np

from mmssc.errors import DataError
from mmssc.formats.volumes import describe_ids

__all__ = ['learning_table', 'raw_label_remarks', 'raw_to_train_labels']

# The official table has this length; there are no larger raw ids in SemanticKITTI.
_TABLE_SIZE = 359
# Share of the occupied voxels that may have a raw id without an entry in the map.
_MAX_UNKNOWN = 0.01
# Share of the occupied voxels that may have the raw id 255.
_MAX_IGNORED, _FEW_VOXELS = 0.2, 1000


def learning_table(learning_map: Mapping[int, int], ignore_index: int = 255) -> np.ndarray:
    """Look-up table from raw ids to train ids.

    Raw 0 stays 0 (empty). All other raw ids without a class become ``ignore_index``: those that the
    map sends to 0 and those that are not in the map.

    Args:
        learning_map: Raw id -> train id.
        ignore_index: Train id of voxels without a class.

    Returns:
        (359,) uint8, indexed by raw id.
    """
    table = np.full(_TABLE_SIZE, ignore_index, np.uint8)
    for raw, train in learning_map.items():
        if raw == 0 or train != 0:
            table[raw] = train
    return table


def _without_entry(raw: np.ndarray, learning_map: Mapping[int, int]) -> np.ndarray:
    """The ids of the voxels whose raw id is not in the map, (N,)."""
    known = np.zeros(np.iinfo(np.uint16).max + 1, bool)
    known[list(learning_map)] = True
    return raw[~known[raw]]


def raw_label_remarks(raw: np.ndarray, learning_map: Mapping[int, int]) -> Counter[str]:
    """What is odd about raw labels that :func:`raw_to_train_labels` accepts.

    Args:
        raw: (X, Y, Z) uint16 raw ids.
        learning_map: Raw id -> train id.

    Returns:
        Remark -> number of voxels.
    """
    ids, counts = np.unique(_without_entry(raw, learning_map), return_counts=True)
    remarks = Counter(
        {
            f'raw id {number} is not in the learning map: ignored': int(count)
            for number, count in zip(ids, counts)
        }
    )
    # Roads, buildings and plants have higher raw ids than the last train id.
    last = max(learning_map.values())
    if 0 < raw.max(initial=0) <= last:
        remarks[f'no raw id above {last}: are these train ids?'] = int((raw > 0).sum())
    return remarks


def _check_raw_ids(
    raw: np.ndarray, learning_map: Mapping[int, int], source: str | PathLike[str]
) -> None:
    """Refuse raw labels with many ids that the map does not have."""
    if raw.size and raw.max() >= _TABLE_SIZE:
        if raw.byteswap().max() < _TABLE_SIZE:
            hint = f'Write it again: np.fromfile({str(source)!r}, ">u2").astype("<u2").tofile(...)'
            raise DataError(
                source, 'ids', 'little-endian uint16', 'big-endian (swapped bytes)', hint
            )
        too_large = describe_ids(raw[raw >= _TABLE_SIZE])
        raise DataError(source, 'ids', f'at most {_TABLE_SIZE - 1}', too_large)
    unknown = _without_entry(raw, learning_map)
    occupied = raw[raw > 0]
    # 255 is "ignore" among train ids.
    others = occupied[occupied != 255]
    train_ids = bool(unknown.size) and int(others.max()) <= max(learning_map.values())
    if not train_ids and len(unknown) <= _MAX_UNKNOWN * len(occupied):
        return
    share = len(unknown) / len(occupied)
    raise DataError(
        source, 'ids', 'raw ids of the learning map',
        f'others in {share:.1%} of the occupied voxels: {describe_ids(unknown)}',
        'These look like train ids: store them as uint8 .npy (FFFFFF_1_1.npy), or give raw ids'
        if train_ids else 'Map them to raw ids of the data set',
    )  # fmt: skip


def _check_ignored(
    raw: np.ndarray, learning_map: Mapping[int, int], source: str | PathLike[str]
) -> None:
    """Refuse observed voxels with 255 for "unknown", which is a rare class of SemanticKITTI."""
    occupied, ignored = np.count_nonzero(raw), np.count_nonzero(raw == 255)
    if learning_map.get(255) and ignored > max(_FEW_VOXELS, _MAX_IGNORED * occupied):
        raise DataError(
            source, 'ids', 'raw ids of the learning map',
            f'255 in {ignored / occupied:.1%} of the occupied voxels, where it is a class',
            'If it stands for unknown voxels, store 0 there and mark them in .invalid',
        )  # fmt: skip


def raw_to_train_labels(
    raw: np.ndarray,
    invalid: np.ndarray,
    learning_map: Mapping[int, int],
    invalid_hides_labels: bool = True,
    ignore_index: int = 255,
    source: str | PathLike[str] = 'raw labels',
) -> np.ndarray:
    """Convert a raw label volume to the labels for training and evaluation.

    Args:
        raw: (X, Y, Z) uint16 raw ids.
        invalid: (X, Y, Z) bool, voxels that were never observed.
        learning_map: Raw id -> train id.
        invalid_hides_labels: SemanticKITTI ignores every invalid voxel (True); SSCBench keeps the
            label of an invalid voxel that has one (False).
        ignore_index: Train id of voxels to ignore.
        source: The file of ``raw``, for errors.

    Returns:
        (X, Y, Z) uint8 train ids.

    Raises:
        DataError: The shapes differ, a raw id is above 358, the bytes are swapped, more than 1 %
            of the occupied voxels have an id that is not in the map, the ids look like train ids,
            or 255 stands for unknown voxels.
    """
    if raw.shape != invalid.shape:
        raise DataError('invalid mask', 'shape', raw.shape, invalid.shape)
    _check_raw_ids(raw, learning_map, source)
    _check_ignored(raw[~invalid.astype(bool)], learning_map, source)
    labels = learning_table(learning_map, ignore_index)[raw]
    hidden = invalid if invalid_hides_labels else invalid & (raw == 0)
    labels[hidden] = ignore_index
    return labels
