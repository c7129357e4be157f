"""Read volumes of labels or predictions, whichever ids they hold."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.dataset import BaseDataset

from mmssc.datasets.label_rules import raw_label_remarks
from mmssc.errors import DataError, counted
from mmssc.formats.kitti import read_raw_labels, read_voxel_labels
from mmssc.formats.volumes import Shape, check_class_ids

__all__ = ['read_label_file']


def read_label_file(path: Path, dataset: Any, shape: Shape, hint: str | None = None) -> np.ndarray:
    """Read ``.label`` (raw ids, uint16; not of NYU) or ``.npy`` (train ids).

    Args:
        path: The file.
        dataset: A data set or its class, for classes and raw ids.
        shape: Voxels per array axis.
        hint: What to do if a ``.npy`` has ids of other classes.

    Returns:
        (X, Y, Z) uint8 train ids, 255 = no label.

    Raises:
        DataError: The file is missing or damaged, has another suffix or shape, or has ids that the
            data set does not know.
    """
    if path.suffix == '.label' and hasattr(dataset, 'train_labels'):
        raw = read_raw_labels(path, shape)
        for remark, count in raw_label_remarks(raw, dataset.METAINFO['learning_map']).items():
            warnings.warn(f'{path}: {remark} ({counted(count, "voxel")})', stacklevel=2)
        return dataset.train_labels(raw, np.zeros(raw.shape, dtype=bool), path)
    if path.suffix == '.npy':
        labels = read_voxel_labels(path, shape)
        meta = dataset.metainfo if isinstance(dataset, BaseDataset) else dataset.METAINFO
        try:
            check_class_ids(labels, len(meta['classes']), path, 'class ids')
        except DataError as error:
            text = hint or error.hint
            raise DataError(path, error.field, error.expected, error.found, text) from error
        return labels
    text = None if hasattr(dataset, 'train_labels') else 'This data set has no raw ids: .npy'
    raise DataError(path, 'suffix', '.label (raw ids) or .npy (train ids)', path.suffix, text)
