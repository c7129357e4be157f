"""Check the content of label volumes: ids, occupied voxels, order of the axes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmssc.datasets.driving_dataset import DrivingDataset
from mmssc.datasets.label_axes import check_against_scan
from mmssc.datasets.label_rules import raw_label_remarks
from mmssc.errors import DataError, counted
from mmssc.formats.kitti import read_raw_labels, read_voxel_bits, read_voxel_labels
from mmssc.formats.volumes import check_class_ids, unlabelled_remark

__all__ = [
    'LABEL_SAMPLES', 'check_occupied', 'check_raw_label_file', 'check_train_label_file',
]  # fmt: skip

#: Samples of a sequence or a data set whose labels the quick check reads in full, too.
LABEL_SAMPLES = 3


def check_occupied(path: str | Path, labels: np.ndarray, ignore: int = 255) -> None:
    """Refuse labels (X, Y, Z) without any occupied voxel."""
    remark = unlabelled_remark(labels, ignore)
    if remark is not None:
        raise DataError(path, 'labels', 'a voxel with a class', remark)


def _bits_of(path: Path | None, shape: Sequence[int]) -> np.ndarray | None:
    """A mask of a frame; None if it is missing or damaged (which other checks report)."""
    try:
        return None if path is None else read_voxel_bits(path, shape)
    except DataError:
        return None


def check_raw_label_file(
    path: Path, shape: Sequence[int], dataset: type[DrivingDataset], scan_file: Path | None = None
) -> None:
    """Read a raw ``.label`` volume and refuse odd content.

    Args:
        path: The file.
        shape: Voxels along x, y, z.
        dataset: Its learning map and rules count.
        scan_file: The ``.bin`` of the frame.

    Raises:
        DataError: The file is damaged, has ids without an entry in the learning map, has no
            occupied voxel, or its axes have another order than those of the scan.
    """
    raw = read_raw_labels(path, shape)
    mask_file = path.with_suffix('.invalid')
    invalid = _bits_of(mask_file if mask_file.is_file() else None, shape)
    dataset.train_labels(raw, np.zeros(raw.shape, bool) if invalid is None else invalid, path)
    remarks = raw_label_remarks(raw, dataset.METAINFO['learning_map'])
    if remarks:
        parts = [f'{text} ({counted(count, "voxel")})' for text, count in remarks.items()]
        found = ', '.join(parts)
        raise DataError(path, 'ids', 'raw ids of the data set', found)
    check_occupied(path, raw)
    scan = _bits_of(scan_file, shape)
    if scan is not None:
        check_against_scan(path, raw > 0, scan)


def check_train_label_file(
    path: Path, shape: Sequence[int], dataset: type[DrivingDataset], scan_file: Path | None = None
) -> None:
    """Read training labels and refuse odd content; see :func:`check_raw_label_file`."""
    labels = read_voxel_labels(path, shape)
    ignore = dataset.METAINFO['ignore_index']
    check_class_ids(labels, len(dataset.METAINFO['classes']), path, 'train ids', ignore)
    check_occupied(path, labels, ignore)
    scan = _bits_of(scan_file, shape)
    if scan is not None:
        check_against_scan(path, (labels > 0) & (labels != ignore), scan)
