"""Scores of a LiDAR model on scans that are changed to those of other sensors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from os import PathLike
from typing import NamedTuple

import numpy as np
import torch
from mmengine.dataset import BaseDataset
from torch import Tensor

from mmssc.errors import DataError
from mmssc.evaluation.functional import SSCCounts, count_voxels, scores_from_counts, sum_counts
from mmssc.formats.scans import read_scan_file
from mmssc.geometry import VISIBLE, rosette_mask, scan_to_occupancy, thin_beams
from mmssc.structures import SSCDataSample

from .lidar_inferencer import LidarInferencer

__all__ = [
    'OtherSensor', 'ThinnedScores', 'find_patterns', 'labelled_scans', 'score_thinned',
    'thinned_table', 'unlabelled_scans',
]  # fmt: skip

#: (N, 3 or 4) rows of a scan, and the volume (X, Y, Z) uint8 to score against, 255 = ignore.
ScanAndTruth = tuple[np.ndarray, Tensor]


@dataclass(frozen=True)
class OtherSensor:
    """How the scan of another sensor is imitated.

    Args:
        keeps: (M, 3) points to (M,) bool, those that it measures; None: all.
        height: Its height above the ground, metres; None: that of the data set.
        height_is_unknown: Complete the scan as if its sensor were at the height of the data set.
    """

    keeps: Callable[[np.ndarray], np.ndarray] | None = None
    height: float | None = None
    height_is_unknown: bool = False

    def complete(self, inferencer: LidarInferencer, rows: np.ndarray) -> tuple[int, SSCDataSample]:
        """Number of points, and the completed scan.

        Args:
            inferencer: The model.
            rows: (N, 3 or 4) float32: x, y, z, reflectance, from a sensor at the height of the
                training data.
        """
        rows = rows if self.keeps is None else rows[self.keeps(rows[:, :3])]
        height = inferencer.trained_height
        if self.height is not None:
            if height is None:
                expected = 'a data set that says how high its sensor is'
                raise DataError('--patterns', None, expected, f'height-{self.height:g}')
            rows = rows.copy()
            rows[:, 2] += height - self.height
            height = height if self.height_is_unknown else None
        sample = inferencer(rows, sensor_height=height, rotation=np.eye(3), largest_intensity=1.0)
        return len(rows), sample


class ThinnedScores(NamedTuple):
    """Scores with one pattern.

    Args:
        points: Mean number of points of a scan.
        iou: Completion IoU, percent.
        miou: Mean IoU of the classes, percent; NaN if the truth has no classes.
    """

    points: float
    iou: float
    miou: float


def find_patterns(names: Sequence[str], total: int = 64) -> dict[str, OtherSensor]:
    """The sensors by the names of their patterns.

    Args:
        names: ``'all'``; ``'beams-N'``, N of the beams; ``'livox'``, a rosette ahead;
            ``'height-H'``, H metres above the ground, which the inferencer has to find;
            ``'unknown-height-H'``, the same without the search.
        total: Number of beams of the sensor.

    Raises:
        DataError: A name is unknown, N does not divide ``total``, or H is not in 0.1 to 20.
    """
    patterns: dict[str, OtherSensor] = {}
    for name in names:
        kind, _, number = name.rpartition('-')
        is_count = number.isascii() and number.isdecimal() and 0 < int(number[:6]) <= total
        if kind == 'beams' and is_count and total % int(number) == 0:
            patterns[name] = OtherSensor(partial(thin_beams, keep=int(number), total=total))
        elif kind in ('height', 'unknown-height') and _is_height(number):
            patterns[name] = OtherSensor(
                height=float(number), height_is_unknown=kind == 'unknown-height'
            )
        elif name == 'all':
            patterns[name] = OtherSensor()
        elif name == 'livox':
            patterns[name] = OtherSensor(rosette_mask)
        else:
            expected = f'all, livox, beams-N with N a divisor of {total}, '
            expected += 'height-H or unknown-height-H with H of 0.1 to 20 metres'
            raise DataError('--patterns', None, expected, name)
    return patterns


def _is_height(text: str) -> bool:
    digits = text.replace('.', '', 1)
    return digits.isascii() and digits.isdecimal() and 0.1 <= float(text) <= 20


def labelled_scans(dataset: BaseDataset, samples: Iterable[int]) -> Iterator[ScanAndTruth]:
    """Scans of a data set, and their labels.

    Args:
        dataset: Samples with ``scan_path`` of their frames and labels.
        samples: Their numbers.

    Raises:
        DataError: A sample has no scan or no labels.
    """
    for number in samples:
        frame = dataset.get_data_info(number)['frames'][0]
        if 'scan_path' not in frame:
            raise DataError(f'sample {number}', 'frames', 'a data set with scans', 'no scan_path')
        labels = dataset[number]['data_samples'].get('gt_voxels')
        if labels is None:
            raise DataError(frame['scan_path'], 'labels', 'a labelled sample', 'an unlabelled one')
        yield _rows(frame['scan_path']), labels


def unlabelled_scans(
    inferencer: LidarInferencer, paths: Iterable[str | PathLike[str]], against: str = 'prediction'
) -> Iterator[ScanAndTruth]:
    """Scans of a user, and what the whole scan says.

    Args:
        inferencer: The model.
        paths: Files, see :func:`mmssc.formats.scans.read_scan_file`.
        against: ``'prediction'``, that for the whole scan; ``'seen'``: 1 where the whole scan has a
            point, 0 where its rays pass, 255 elsewhere.

    Raises:
        DataError: A file is wrong, or no point of it lies inside the box.
    """
    for path in paths:
        rows = _rows(path)
        _, whole = OtherSensor().complete(inferencer, rows)
        truth = whole.pred_voxels
        if against == 'seen':
            truth = torch.full_like(truth, 255)
            truth[whole.visibility == VISIBLE] = 0
            truth[scan_to_occupancy(torch.from_numpy(rows), inferencer.voxel_grid)] = 1
        yield rows, truth


def _rows(path: str | PathLike[str]) -> np.ndarray:
    scan = read_scan_file(path)
    return scan.points if scan.reflectance is None else np.c_[scan.points, scan.reflectance]


def score_thinned(
    inferencer: LidarInferencer,
    scans: Iterable[ScanAndTruth],
    patterns: Mapping[str, OtherSensor],
    has_classes: bool = True,
) -> dict[str, ThinnedScores]:
    """Score the scans of other sensors.

    Args:
        inferencer: The model.
        scans: :func:`labelled_scans` or :func:`unlabelled_scans`.
        patterns: See :func:`find_patterns`.
        has_classes: Whether the truth says more than occupied (1) or empty (0).

    Returns:
        Name of a pattern -> scores.

    Raises:
        DataError: The points of a scan are not stored beam by beam, or as for the scans.
    """
    num_classes = len(inferencer.dataset_meta['classes']) if has_classes else 2
    counts: dict[str, list[SSCCounts]] = {name: [] for name in patterns}
    points: dict[str, list[int]] = {name: [] for name in patterns}
    for rows, truth in scans:
        for name, sensor in patterns.items():
            count, sample = sensor.complete(inferencer, rows)
            predicted = sample.pred_voxels
            predicted = predicted if has_classes else (predicted > 0).to(torch.uint8)
            counts[name].append(count_voxels(predicted, truth, num_classes))
            points[name].append(count)
    scores = {
        name: scores_from_counts(sum_counts(parts, num_classes)) for name, parts in counts.items()
    }
    return {
        name: ThinnedScores(
            float(np.mean(points[name])), score.iou, score.miou if has_classes else np.nan
        )
        for name, score in scores.items()
    }


def thinned_table(scores: Mapping[str, ThinnedScores]) -> str:
    """A table in Markdown; the losses are those against the first pattern."""
    first = next(iter(scores.values()))
    lines = ['| scan | points | IoU | mIoU | loss in IoU | loss in mIoU |',
             '| --- | --- | --- | --- | --- | --- |']  # fmt: skip
    for name, one in scores.items():
        figures = one.iou, one.miou, first.iou - one.iou, first.miou - one.miou
        texts = ('-' if np.isnan(figure) else f'{figure:.2f}' for figure in figures)
        lines.append(f'| {name} | {one.points:.0f} | {" | ".join(texts)} |')
    return '\n'.join(lines)
