"""Write a prediction as arrays, labels and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from mmssc.errors import DataError
from mmssc.evaluation.submission import raw_id_table
from mmssc.formats.kitti import write_raw_labels, write_voxel_labels
from mmssc.formats.volumes import check_class_ids
from mmssc.option_choices import PREDICTION_FORMATS
from mmssc.structures import SSCDataSample
from mmssc.visualization.scene import FORMATS, Scene, scene_paths

__all__ = ['PREDICTION_FORMATS', 'prediction_paths', 'save_prediction']


def prediction_paths(stem: str | PathLike[str], formats: Sequence[str]) -> dict[str, Path]:
    """The files that :func:`save_prediction` writes: format -> path.

    Raises:
        DataError: A format is unknown.
    """
    unknown = sorted(set(formats) - set(PREDICTION_FORMATS))
    if unknown:
        raise DataError('save_prediction', 'formats', ', '.join(PREDICTION_FORMATS), unknown)
    stem = Path(stem)
    arrays = [kind for kind in ('npy', 'label') if kind in formats]
    paths = {kind: stem.with_name(f'{stem.name}.{kind}') for kind in arrays}
    pictures = [kind for kind in FORMATS if kind in formats]
    if pictures:
        paths |= {kind: path for (kind, _), path in scene_paths(stem, pictures).items()}
    return paths


def save_prediction(
    sample: SSCDataSample,
    dataset_meta: Mapping[str, Any],
    stem: str | PathLike[str],
    formats: Sequence[str] = ('npy', 'png'),
    image: np.ndarray | None = None,
    show_all: bool = False,
    depth: np.ndarray | None = None,
    title: str | None = None,
) -> list[Path]:
    """Write ``pred_voxels`` of a sample, each file atomically.

    Args:
        sample: A prediction.
        dataset_meta: ``classes`` and ``palette``, for ``label`` also ``inverse_learning_map``.
        stem: Path without suffix.
        formats: ``npy`` (uint8 train ids), ``label`` (uint16 raw ids), and those of the visualiser:
            ``png``, ``bev``, ``ply``, ``glb``, ``html``.
        image: (H, W, 3) uint8 RGB, shown with the pictures.
        show_all: Draw every voxel. By default pictures, meshes and pages hide the voxels outside
            ``within_reach``, if the sample has it; ``npy`` and ``label`` always hold all voxels.
        depth: (H, W) metres, 0 = none, shown with the pictures.
        title: Heading of pictures and pages; None: the name of the sample.

    Returns:
        The files.

    Raises:
        DataError: A format is unknown, or the data set has no raw ids.
    """
    paths = prediction_paths(stem, formats)
    labels = sample.pred_voxels.cpu().numpy()
    if 'npy' in formats:
        write_voxel_labels(paths['npy'], labels)
    if 'label' in formats:
        raw_ids = dataset_meta.get('inverse_learning_map')
        if raw_ids is None:
            raise DataError(
                'metainfo', 'inverse_learning_map', 'a raw id for each class', 'none',
                'This data set has no raw ids: leave label out of the formats',
            )  # fmt: skip
        table = raw_id_table(raw_ids)
        check_class_ids(labels, len(table), paths['label'], 'predicted classes')
        write_raw_labels(paths['label'], table[labels])
    pictures = [name for name in FORMATS if name in formats]
    written = [paths[kind] for kind in ('npy', 'label') if kind in formats]
    if pictures:
        scene = Scene.from_sample(
            sample, dataset_meta, image, hide_unevaluated=not show_all, depth=depth
        )
        if title is not None:
            scene = replace(scene, title=title)
        written += scene.save(stem, pictures)
    return written
