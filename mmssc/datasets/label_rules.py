"""Convert raw voxel labels to training labels, for all data sets of the KITTI family."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mmssc.errors import DataError

__all__ = ['learning_table', 'raw_to_train_labels']

# The official table has this length; there are no larger raw ids in SemanticKITTI.
_TABLE_SIZE = 359


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


def raw_to_train_labels(
    raw: np.ndarray,
    invalid: np.ndarray,
    learning_map: Mapping[int, int],
    invalid_hides_labels: bool = True,
    ignore_index: int = 255,
) -> np.ndarray:
    """Convert a raw label volume to the labels for training and evaluation.

    Args:
        raw: (X, Y, Z) uint16 raw ids.
        invalid: (X, Y, Z) bool, voxels that were never observed.
        learning_map: Raw id -> train id.
        invalid_hides_labels: SemanticKITTI ignores every invalid voxel (True); SSCBench keeps the
            label of an invalid voxel that has one (False).
        ignore_index: Train id of voxels to ignore.

    Returns:
        (X, Y, Z) uint8 train ids.

    Raises:
        DataError: The shapes differ, or a raw id is above 358.
    """
    if raw.shape != invalid.shape:
        raise DataError('invalid mask', 'shape', raw.shape, invalid.shape)
    if raw.size and raw.max() >= _TABLE_SIZE:
        raise DataError('raw labels', 'ids', f'at most {_TABLE_SIZE - 1}', int(raw.max()))
    labels = learning_table(learning_map, ignore_index)[raw]
    hidden = invalid if invalid_hides_labels else invalid & (raw == 0)
    labels[hidden] = ignore_index
    return labels
