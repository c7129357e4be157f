"""Write an analysis of predictions as tables (CSV) and pictures."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmssc.evaluation.functional import SSCCounts, local_scores, sum_counts
from mmssc.evaluation.prediction_analysis import PredictionAnalysis
from mmssc.fileio import atomic_write

from .charts import draw_confusion, draw_steps, save_chart

__all__ = ['ANALYSIS_NAMES', 'score_text', 'write_analysis', 'write_csv']

#: The files of :func:`write_analysis`.
ANALYSIS_NAMES = (
    'confusion_matrix.csv', 'confusion_matrix.png', 'iou_by_distance.csv', 'iou_by_distance.png',
    'iou_by_height.csv', 'iou_by_height.png', 'frames.csv',
)  # fmt: skip


def score_text(score: float) -> str:
    """A score with two decimals; ``-`` where nothing is occupied."""
    return '-' if math.isnan(score) else f'{score:.2f}'


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Write a table, atomically."""
    with atomic_write(path, 'w') as file:
        csv.writer(file, lineterminator='\n').writerows([header, *rows])


def write_analysis(
    folder: Path, analysis: PredictionAnalysis, classes: Sequence[str]
) -> list[Path]:
    """Write confusion matrix, scores over distance and height, and scores of every frame.

    Args:
        folder: Where the files of :data:`ANALYSIS_NAMES` go.
        analysis: The counts.
        classes: K names.

    Returns:
        The files; without those over distance if no sensor has a known position.
    """
    matrix = analysis.total.confusion.numpy()
    write_csv(folder / ANALYSIS_NAMES[0], ['label', *classes],
              [[name, *row] for name, row in zip(classes, matrix.tolist())])  # fmt: skip
    save_chart(folder / ANALYSIS_NAMES[1], draw_confusion(matrix, classes))
    names = [*ANALYSIS_NAMES[:2]]
    for kind, label, groups, start, step in (
        ('distance', 'horizontal distance from the sensor (m)', analysis.by_distance, 0.0,
         analysis.distance_step),
        ('height', 'height, z of the grid (m)', analysis.by_height, analysis.height_start,
         analysis.height_step),
    ):  # fmt: skip
        if groups and start is not None and step is not None:
            name = f'iou_by_{kind}'
            numbers = range(min(groups), max(groups) + 2)
            edges = [round(start + number * step, 6) for number in numbers]
            counts = [groups.get(number) for number in numbers[:-1]]
            _write_steps(folder / name, edges, counts, label, classes)
            names += [f'{name}.csv', f'{name}.png']
    _write_frames(folder / ANALYSIS_NAMES[-1], analysis)
    return [folder / name for name in [*names, ANALYSIS_NAMES[-1]]]


def _write_steps(
    stem: Path,
    edges: Sequence[float],
    steps: Sequence[SSCCounts | None],
    label: str,
    classes: Sequence[str],
) -> None:
    nothing = sum_counts([], len(classes))
    counts = [step or nothing for step in steps]
    scores = [local_scores(one) for one in counts]
    voxels = [int(one.confusion.sum()) for one in counts]
    rows = []
    for low, high, one, score, count in zip(edges, edges[1:], counts, scores, voxels):
        hits, false, missed = one.semantics[:, 1:].double()
        per_class = (100 * hits / (hits + false + missed)).tolist()  # NaN if it does not occur
        rows.append([f'{low:g}', f'{high:g}', count, *map(score_text, [*score, *per_class])])
    header = ['from_m', 'to_m', 'labelled_voxels', 'SC_IoU', 'SSC_mIoU', *classes[1:]]
    write_csv(stem.with_suffix('.csv'), header, rows)
    lines = {'SC IoU': [iou for iou, _ in scores], 'SSC mIoU': [miou for _, miou in scores]}
    save_chart(stem.with_suffix('.png'), draw_steps(edges, lines, voxels, label))


def _write_frames(path: Path, analysis: PredictionAnalysis) -> None:
    rows = []
    for name in analysis.worst_frames():
        iou, miou = local_scores(analysis.frames[name])
        voxels = int(analysis.frames[name].confusion.sum())
        rows.append([name, score_text(iou), score_text(miou), voxels])
    write_csv(path, ['frame', 'SC_IoU', 'SSC_mIoU', 'labelled_voxels'], rows)
