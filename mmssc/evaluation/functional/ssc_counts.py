"""Counting for semantic scene completion: a confusion matrix per volume, scores from their sum.

Counts of a whole split are summed first and divided once at the end. A mean of per-frame scores
gives different figures, not the published ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from mmssc.errors import DataError

__all__ = ['SSCCounts', 'SSCScores', 'count_voxels', 'scores_from_counts', 'sum_counts']

IGNORE_INDEX = 255
EMPTY = 0


@dataclass(frozen=True)
class SSCCounts:
    """Counts of one or more volumes that a metric needs.

    Args:
        confusion: (K, K) int64, rows are the labels, columns the predictions; class 0 is empty.
        ignored: Number of voxels without a label, which are not counted.
        own_completion: (3,) int64, :attr:`completion` if it is counted on other voxels than
            ``confusion`` (the NYU protocol); None computes it from ``confusion``.
    """

    confusion: Tensor
    ignored: int = 0
    own_completion: Tensor | None = None

    def __add__(self, other: SSCCounts) -> SSCCounts:
        completion = None
        if self.own_completion is not None or other.own_completion is not None:
            completion = self.completion + other.completion
        return SSCCounts(self.confusion + other.confusion, self.ignored + other.ignored, completion)

    @property
    def completion(self) -> Tensor:
        """(3,) int64: true positives, false positives, false negatives of "occupied"."""
        if self.own_completion is not None:
            return self.own_completion
        matrix = self.confusion
        return torch.stack([matrix[1:, 1:].sum(), matrix[0, 1:].sum(), matrix[1:, 0].sum()])

    @property
    def semantics(self) -> Tensor:
        """(3, K) int64: true positives, false positives, false negatives of each class."""
        hits = self.confusion.diagonal()
        return torch.stack([hits, self.confusion.sum(0) - hits, self.confusion.sum(1) - hits])


@dataclass(frozen=True)
class SSCScores:
    """Scores in percent, float64, not rounded."""

    precision: float
    recall: float
    iou: float
    class_iou: tuple[float, ...]
    miou: float


def _check_ids(name: str, ids: Tensor, labelled: Tensor, num_classes: int) -> None:
    lowest, highest = (ids * labelled).flatten().aminmax() if ids.numel() else (0, 0)
    if lowest < 0 or highest >= num_classes:
        found = ids[labelled]
        expected = f'0 to {num_classes - 1} ({num_classes} classes of the data set)'
        raise DataError(name, 'class ids', expected, f'{int(found.min())} to {int(found.max())}')


def count_voxels(
    prediction: Tensor,
    target: Tensor,
    num_classes: int,
    mask: Tensor | None = None,
    ignore_index: int = IGNORE_INDEX,
) -> SSCCounts:
    """Compare two volumes of class ids, in one ``bincount``.

    Args:
        prediction: Integer class ids, any shape, any device.
        target: Class ids of the same shape; ``ignore_index`` where there is no label.
        num_classes: K, with the empty class.
        mask: bool, same shape: the voxels to count. ``None`` counts all.
        ignore_index: The target value that is not counted.

    Returns:
        Counts on the CPU.

    Raises:
        DataError: The shapes differ, or an id is not one of the K classes.
    """
    for name, other in (('target', target), ('mask', mask)):
        if other is not None and other.shape != prediction.shape:
            raise DataError('metric', f'shape of the {name}', tuple(prediction.shape),
                            tuple(other.shape))  # fmt: skip
    target = target.to(prediction.device)
    labelled = target != ignore_index
    total = labelled.numel()
    if mask is not None:
        mask = mask.to(prediction.device)
        labelled, total = labelled & mask, int(mask.count_nonzero())
    for name, ids in (('target', target), ('prediction', prediction)):
        _check_ids(name, ids, labelled, num_classes)
    # Voxels that do not count become pairs of two zeros: picking the others takes ten times longer.
    pairs = (target * labelled).int() * num_classes + prediction * labelled
    matrix = torch.bincount(pairs.flatten(), minlength=num_classes**2).cpu()
    counted = int(labelled.count_nonzero())
    matrix[0] -= labelled.numel() - counted
    return SSCCounts(matrix.reshape(num_classes, num_classes), total - counted)


def sum_counts(counts: Iterable[SSCCounts], num_classes: int) -> SSCCounts:
    """Add up the counts of many volumes."""
    return sum(counts, SSCCounts(torch.zeros(num_classes, num_classes, dtype=torch.int64)))


def _ratio(numerator: Tensor, denominator: Tensor) -> float:
    return 100.0 * float(numerator) / float(denominator) if denominator else 0.0


def scores_from_counts(
    counts: SSCCounts, epsilon: float = 1e-5, ignored_as_empty: bool = False
) -> SSCScores:
    """Turn counts into the published figures (SGN, arXiv 2312.05752; MonoScene, arXiv 2112.00726).

    Completion is precision, recall and IoU of "label > 0"; the IoU of a class is
    ``tp / (tp + fp + fn + epsilon)``, mIoU is its mean over classes 1 to K - 1. A class that never
    occurs counts as 0, and a ratio with denominator 0 is 0.

    Args:
        counts: Sum over the whole split.
        epsilon: Keeps the class IoU finite.
        ignored_as_empty: Count every voxel without a label as a true positive of class 0, as the
            code of MonoScene, VoxFormer and SGN does. It changes only ``class_iou[0]``.
    """
    hits, false, missed = counts.completion
    per_class = counts.semantics.double()
    if ignored_as_empty:
        per_class[0, EMPTY] += counts.ignored
    class_iou = 100.0 * per_class[0] / (per_class.sum(0) + epsilon)
    return SSCScores(
        precision=_ratio(hits, hits + false),
        recall=_ratio(hits, hits + missed),
        iou=_ratio(hits, hits + false + missed),
        class_iou=tuple(class_iou.tolist()),
        miou=float(class_iou[EMPTY + 1 :].mean()),
    )
