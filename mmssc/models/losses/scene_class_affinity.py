"""Scene-class affinity losses (MonoScene, arXiv 2112.00726, section 3.4)."""

from __future__ import annotations

import torch
from torch import Tensor

from mmssc.registry import MODELS

from .base_loss import OccupancyLoss, check_reduction
from .class_sums import ClassSums, ClassSumsLoss

__all__ = ['GeometricScalLoss', 'SemanticScalLoss']


def _negative_log(part: Tensor, whole: Tensor) -> Tensor:
    """``-max(log(part / whole), -100)``; 0 where ``whole`` is 0. The gradient is never NaN."""
    exists = whole > 0
    ratio = part / whole.masked_fill(~exists, 1)
    positive = ratio > 0
    loss = -ratio.masked_fill(~positive, 1).log()
    return torch.where(positive, loss.clamp(max=100), 100.0).masked_fill(~exists, 0)


@MODELS.register_module()
class SemanticScalLoss(ClassSumsLoss):
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

    def from_sums(self, sums: ClassSums) -> Tensor:
        """The loss of every sample, see :meth:`ClassSumsLoss.from_sums`."""
        hit, predicted, count = sums.hit, sums.class_mass, sums.class_count
        others = count.sum(1, keepdim=True) - count
        terms = (
            _negative_log(hit, predicted)
            + _negative_log(hit, count)
            + _negative_log(others - (predicted - hit), others)
        )
        present = count > 0
        return (terms * present).sum(1) / present.sum(1).clamp_min(1)


@MODELS.register_module()
class GeometricScalLoss(ClassSumsLoss, OccupancyLoss):
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

    def from_sums(self, sums: ClassSums) -> Tensor:
        """The loss of every sample, see :meth:`ClassSumsLoss.from_sums`."""
        count, empty = sums.class_count, self.empty_index
        predicted = sums.occupied.sum(1)
        # Not predicted minus empty: it would lose digits, because most voxels are empty.
        is_occupied = torch.arange(count.shape[1], device=count.device) != empty
        hit, num_occupied = (sums.occupied * is_occupied).sum(1), (count * is_occupied).sum(1)
        precision = _negative_log(hit, predicted).masked_fill(num_occupied == 0, 0)
        return (
            precision
            + _negative_log(hit, num_occupied)
            + _negative_log(sums.hit[:, empty], count[:, empty])
        )
