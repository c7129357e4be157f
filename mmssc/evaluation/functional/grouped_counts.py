"""Counts of groups of voxels, e.g. by distance from the sensor, and scores of a few voxels."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .ssc_counts import IGNORE_INDEX, SSCCounts

__all__ = ['count_groups', 'local_scores']


def count_groups(
    prediction: Tensor,
    target: Tensor,
    groups: Tensor,
    num_classes: int,
    mask: Tensor | None = None,
    ignore_index: int = IGNORE_INDEX,
) -> dict[int, SSCCounts]:
    """Compare two volumes of class ids, separately for each group of voxels.

    Args:
        prediction: Integer ids of the K classes, any shape; all tensors on one device.
        target: Class ids of the same shape; ``ignore_index`` where there is no label.
        groups: Integer number of the group of each voxel, same shape; may be negative.
        num_classes: K, with the empty class.
        mask: bool, same shape: the voxels to count. ``None`` counts all.
        ignore_index: The target value that is not counted.

    Returns:
        Number of a group -> its counts on the CPU, in rising order; ``ignored`` is 0.
    """
    labelled = target != ignore_index
    if mask is not None:
        labelled = labelled & mask
    if not labelled.any():
        return {}
    truth, guess, group = target[labelled].long(), prediction[labelled].long(), groups[labelled]
    first, last = int(group.min()), int(group.max())
    pairs = (truth + (group - first) * num_classes) * num_classes + guess
    length = (last - first + 1) * num_classes**2
    matrices = torch.bincount(pairs, minlength=length).reshape(-1, num_classes, num_classes)
    return {
        first + number: SSCCounts(matrix)
        for number, matrix in enumerate(matrices.cpu())
        if matrix.any()
    }


def local_scores(counts: SSCCounts) -> tuple[float, float]:
    """SC IoU and SSC mIoU of a part of a split, e.g. a frame or a range of distances, in percent.

    The mIoU is the mean over the classes that occur there, as label or as prediction: a class that
    cannot be seen in a frame says nothing about it. The scores of a whole split
    (:func:`~mmssc.evaluation.scores_from_counts`) count such classes as 0.

    Args:
        counts: Sum over the part.

    Returns:
        SC IoU and SSC mIoU; NaN where nothing is occupied in labels and prediction.
    """
    union = counts.completion.sum()
    iou = 100 * float(counts.completion[0] / union) if union else math.nan
    hits, false, missed = counts.semantics.double()[:, 1:]
    total = hits + false + missed
    present = total > 0
    miou = 100 * float((hits[present] / total[present]).mean()) if present.any() else math.nan
    return iou, miou
