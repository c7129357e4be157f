"""Write a prediction as arrays, labels and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from mmssc.errors import DataError
from mmssc.evaluation.submission import raw_id_table
from mmssc.formats.kitti import write_raw_labels, write_voxel_labels
from mmssc.structures import SSCDataSample
from mmssc.visualization.scene import FORMATS, Scene

__all__ = ['PREDICTION_FORMATS', 'save_prediction']

PREDICTION_FORMATS = ('npy', 'label', *FORMATS)


def save_prediction(
    sample: SSCDataSample,
    dataset_meta: Mapping[str, Any],
    stem: str | PathLike[str],
    formats: Sequence[str] = ('npy', 'png'),
    image: np.ndarray | None = None,
) -> list[Path]:
    """Write ``pred_voxels`` of a sample, each file atomically.

    Args:
        sample: A prediction.
        dataset_meta: ``classes`` and ``palette``, for ``label`` also ``inverse_learning_map``.
        stem: Path without suffix.
        formats: ``npy`` (uint8 train ids), ``label`` (uint16 raw ids), and those of the visualiser:
            ``png``, ``bev``, ``ply``, ``glb``, ``html``.
        image: (H, W, 3) uint8 RGB, shown with the pictures.

    Returns:
        The files.

    Raises:
        DataError: A format is unknown, or the data set has no raw ids.
    """
    unknown = sorted(set(formats) - set(PREDICTION_FORMATS))
    if unknown:
        raise DataError('save_prediction', 'formats', ', '.join(PREDICTION_FORMATS), unknown)
    stem, written = Path(stem), []
    labels = sample.pred_voxels.cpu().numpy()
    if 'npy' in formats:
        written.append(stem.with_name(f'{stem.name}.npy'))
        write_voxel_labels(written[-1], labels)
    if 'label' in formats:
        raw_ids = dataset_meta.get('inverse_learning_map')
        if raw_ids is None:
            raise DataError(
                'metainfo', 'inverse_learning_map', 'a raw id for each class', 'none',
                'This data set has no raw ids: write npy',
            )  # fmt: skip
        written.append(stem.with_name(f'{stem.name}.label'))
        write_raw_labels(written[-1], raw_id_table(raw_ids)[labels])
    pictures = [name for name in FORMATS if name in formats]
    if pictures:
        written += Scene.from_sample(sample, dataset_meta, image).save(stem, pictures)
    return written
