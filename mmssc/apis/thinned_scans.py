"""Scores of a LiDAR model on scans that are thinned like those of other sensors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from mmengine.dataset import BaseDataset

from mmssc.errors import DataError
from mmssc.evaluation.functional import SSCCounts, count_voxels, scores_from_counts, sum_counts
from mmssc.formats.scans import read_scan_file
from mmssc.geometry import rosette_mask, thin_beams

from .lidar_inferencer import LidarInferencer

__all__ = ['ThinnedScores', 'find_patterns', 'score_thinned', 'thinned_table']

Pattern = Callable[[np.ndarray], np.ndarray]


class ThinnedScores(NamedTuple):
    """Scores with one pattern.

    Args:
        points: Mean number of points of a scan.
        iou: Completion IoU, percent.
        miou: Mean IoU of the classes, percent.
    """

    points: float
    iou: float
    miou: float


def find_patterns(names: Sequence[str], total: int = 64) -> dict[str, Pattern]:
    """The rules of patterns by name: (M, 3) points to (M,) bool, which points stay.

    Args:
        names: ``'all'``; ``'beams-N'``, N of the beams; ``'livox'``, a rosette ahead.
        total: Number of beams of the sensor.

    Raises:
        DataError: A name is unknown, or N does not divide ``total``.
    """
    patterns: dict[str, Pattern] = {}
    for name in names:
        kind, _, number = name.partition('-')
        is_count = number.isascii() and number.isdecimal() and 0 < int(number[:6]) <= total
        if kind == 'beams' and is_count and total % int(number) == 0:
            patterns[name] = partial(thin_beams, keep=int(number), total=total)
        elif name == 'all':
            patterns[name] = lambda points: np.ones(len(points), bool)
        elif name == 'livox':
            patterns[name] = rosette_mask
        else:
            expected = f'all, livox, or beams-N with N a divisor of {total}'
            raise DataError('--patterns', None, expected, name)
    return patterns


def score_thinned(
    inferencer: LidarInferencer,
    dataset: BaseDataset,
    patterns: Mapping[str, Pattern],
    samples: Iterable[int],
) -> dict[str, ThinnedScores]:
    """Score thinned scans against the labels of whole scans.

    Args:
        inferencer: The model.
        dataset: Samples with ``scan_path`` of their frames and labels.
        patterns: See :func:`find_patterns`.
        samples: Numbers of the samples to score.

    Returns:
        Name of a pattern -> scores.

    Raises:
        DataError: A sample has no scan or no labels, or the points of a scan are in another order.
    """
    num_classes = len(inferencer.dataset_meta['classes'])
    counts: dict[str, list[SSCCounts]] = {name: [] for name in patterns}
    points: dict[str, list[int]] = {name: [] for name in patterns}
    for number in samples:
        frame = dataset.get_data_info(number)['frames'][0]
        if 'scan_path' not in frame:
            raise DataError(f'sample {number}', 'frames', 'a data set with scans', 'no scan_path')
        scan = read_scan_file(frame['scan_path'])
        labels = dataset[number]['data_samples'].get('gt_voxels')
        if labels is None:
            raise DataError(frame['scan_path'], 'labels', 'a labelled sample', 'an unlabelled one')
        rows = scan.points
        if scan.reflectance is not None:
            rows = np.c_[rows, scan.reflectance]
        for name, pattern in patterns.items():
            kept = pattern(scan.points)
            sample = inferencer(
                rows[kept], sensor_height=inferencer.trained_height, rotation=np.eye(3),
                largest_intensity=1.0,
            )  # fmt: skip
            counts[name].append(count_voxels(sample.pred_voxels, labels, num_classes))
            points[name].append(int(kept.sum()))
    scores = {
        name: scores_from_counts(sum_counts(parts, num_classes)) for name, parts in counts.items()
    }
    return {
        name: ThinnedScores(float(np.mean(points[name])), score.iou, score.miou)
        for name, score in scores.items()
    }


def thinned_table(scores: Mapping[str, ThinnedScores]) -> str:
    """A table in Markdown; the losses are those against the first pattern."""
    first = next(iter(scores.values()))
    lines = ['| scan | points | IoU | mIoU | loss in IoU | loss in mIoU |',
             '| --- | --- | --- | --- | --- | --- |']  # fmt: skip
    for name, one in scores.items():
        losses = f'{first.iou - one.iou:.2f} | {first.miou - one.miou:.2f}'
        lines.append(f'| {name} | {one.points:.0f} | {one.iou:.2f} | {one.miou:.2f} | {losses} |')
    return '\n'.join(lines)
