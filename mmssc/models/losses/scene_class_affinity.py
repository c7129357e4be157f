"""Scene-class affinity losses (MonoScene, arXiv 2112.00726, section 3.4)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mmssc.registry import MODELS

from .base_loss import OccupancyLoss, SSCLoss, check_reduction, sum_by_class

__all__ = ['GeometricScalLoss', 'SemanticScalLoss']


def _negative_log(part: Tensor, whole: Tensor) -> Tensor:
    """``-max(log(part / whole), -100)``; 0 where ``whole`` is 0. The gradient is never NaN."""
    exists = whole > 0
    ratio = part / whole.masked_fill(~exists, 1)
    positive = ratio > 0
    loss = -ratio.masked_fill(~positive, 1).log()
    return torch.where(positive, loss.clamp(max=100), 100.0).masked_fill(~exists, 0)


def _masked_sum(values: Tensor, mask: Tensor) -> Tensor:
    """Sum of (B, K, V) over the voxels of a mask (B, V), without a copy of ``values``.

    Uses partial dot products: a single one over 2 million float32 voxels has an error of 1e-4.
    """
    parts = math.gcd(values.shape[2], 1024)
    mask = mask.to(values.dtype).unflatten(1, (parts, -1))
    return torch.einsum('bkpv,bpv->bkp', values.unflatten(2, (parts, -1)), mask).sum(2)


@MODELS.register_module()
class SemanticScalLoss(SSCLoss):
    """Scene-class affinity over all classes of the target, including empty.

    For class i, with p = softmax over the valid voxels: precision ``sum(p_i [t=i]) / sum(p_i)``,
    recall ``sum(p_i [t=i]) / count(t=i)``, specificity ``sum((1-p_i) [t!=i]) / count(t!=i)``.
    The loss is the sum of their negative logarithms (at most 100 each, 0 where the denominator is
    0), averaged over the classes present.

    One pass computes all classes from ``sum(p_i)``, ``sum(p_i [t=i])`` and the counts.

    Args:
        loss_weight: Factor of the result.
        ignore_index: Target value to ignore.
        reduction: ``'sample'`` or ``'batch'``, see :class:`SSCLoss`.
    """

    def __init__(
        self, loss_weight: float = 1.0, ignore_index: int = 255, reduction: str = 'sample'
    ) -> None:
        super().__init__(loss_weight, ignore_index)
        self.reduction = check_reduction(reduction, type(self).__name__)

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """The loss of every sample, see :meth:`SSCLoss.per_sample`."""
        logits, target = self.pool_batch(logits, target)
        logits, target, valid = self.flatten_voxels(logits, target)
        num_classes = logits.shape[1]
        probability = logits.softmax(1)
        predicted = _masked_sum(probability, valid)
        at_target = probability.gather(1, target.unsqueeze(1)).squeeze(1)
        hit = sum_by_class(at_target.masked_fill(~valid, 0), target, num_classes)
        count = sum_by_class(valid.float(), target, num_classes)

        others = count.sum(1, keepdim=True) - count
        terms = (
            _negative_log(hit, predicted)
            + _negative_log(hit, count)
            + _negative_log(others - (predicted - hit), others)
        )
        present = count > 0
        return (terms * present).sum(1) / present.sum(1).clamp_min(1)


@MODELS.register_module()
class GeometricScalLoss(OccupancyLoss):
    """Scene-class affinity of occupied and empty voxels.

    With q = 1 - p_empty: precision ``sum(q [occupied]) / sum(q)``, recall ``sum(q [occupied]) /
    count(occupied)``, specificity ``sum(p_empty [empty]) / count(empty)``. The loss is the sum
    of their negative logarithms (at most 100 each). The terms of precision and recall are 0
    without occupied voxels, and the term of specificity is 0 without empty voxels.

    Args:
        empty_index: See :class:`OccupancyLoss`.
        loss_weight: Factor of the result.
        ignore_index: Target value to ignore.
        reduction: ``'sample'`` or ``'batch'``, see :class:`SSCLoss`.
    """

    def __init__(
        self,
        empty_index: int = 0,
        loss_weight: float = 1.0,
        ignore_index: int = 255,
        reduction: str = 'sample',
    ) -> None:
        super().__init__(empty_index, loss_weight, ignore_index)
        self.reduction = check_reduction(reduction, type(self).__name__)

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """The loss of every sample, see :meth:`SSCLoss.per_sample`."""
        logits, target = self.pool_batch(logits, target)
        logits, target, valid = self.flatten_voxels(logits, target)
        is_empty = target == self.empty_index
        occupied = valid & ~is_empty
        p_empty = (logits[:, self.empty_index] - logits.logsumexp(1)).exp()
        p_occupied = (1 - p_empty).masked_fill(~valid, 0)
        hit = p_occupied.masked_fill(~occupied, 0).sum(1)
        num_occupied = occupied.sum(1)
        precision = _negative_log(hit, p_occupied.sum(1)).masked_fill(num_occupied == 0, 0)
        empty = valid & is_empty
        return (
            precision
            + _negative_log(hit, num_occupied)
            + _negative_log(p_empty.masked_fill(~empty, 0).sum(1), empty.sum(1))
        )
