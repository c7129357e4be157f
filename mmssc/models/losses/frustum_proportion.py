"""Frustum proportion loss (MonoScene, arXiv 2112.00726, section 3.4)."""

from __future__ import annotations

import torch
from torch import Tensor

from mmssc.geometry.frustum import NO_FRUSTUM
from mmssc.registry import MODELS

from .base_loss import check_reduction
from .class_sums import ClassSums, ClassSumsLoss

__all__ = ['FrustumProportionLoss']

# Lower bound of the probabilities in the logarithm.
_TINY = torch.finfo(torch.float32).tiny


@MODELS.register_module()
class FrustumProportionLoss(ClassSumsLoss):
    """Divergence of predicted and labelled class proportions in each frustum of the image.

    ``q`` is the softmax summed over the labelled voxels of a frustum, normalised; ``t`` are their
    label counts, normalised. The loss is the mean of ``sum_k t_k (log t_k - log q_k)`` (over
    classes with ``t_k > 0``) over the frustums with labelled voxels.

    Args:
        loss_weight: Factor of the result.
        ignore_index: Target value to ignore.
        reduction: ``'sample'``, or ``'batch'`` to merge each frustum over the samples of the
            batch, see :class:`SSCLoss`.
    """

    extra_targets = ('frustum_index',)

    def __init__(
        self, loss_weight: float = 1.0, ignore_index: int = 255, reduction: str = 'sample'
    ) -> None:
        super().__init__(loss_weight, ignore_index)
        self.reduction = check_reduction(reduction, type(self).__name__)

    def per_sample(self, logits: Tensor, target: Tensor, frustum_index: Tensor) -> Tensor:
        """The loss of every sample, see :meth:`SSCLoss.per_sample`.

        Args:
            logits: (B, K, ...).
            target: (B, ...).
            frustum_index: (B, ...) uint8, see :func:`mmssc.geometry.frustum_index`.

        Returns:
            (B,) float32; 0 for a sample without labelled voxels in a frustum.

        Raises:
            ValueError: The shapes do not match.
        """
        if frustum_index.shape != target.shape:
            raise ValueError(
                f'target {tuple(target.shape)} and frustum_index {tuple(frustum_index.shape)} '
                'differ in shape'
            )
        return self.from_sums(self.make_sums(logits, target, frustum_index))

    def from_sums(self, sums: ClassSums) -> Tensor:
        """The loss of every sample, from sums with frustums."""
        mass, count = sums.mass[:, :NO_FRUSTUM], sums.count[:, :NO_FRUSTUM]
        total = count.sum(2)
        share = count / total.clamp_min(1).unsqueeze(2)
        predicted = mass / mass.sum(2, keepdim=True).clamp_min(_TINY)
        logarithms = share.clamp_min(_TINY).log() - predicted.clamp_min(_TINY).log()
        used = total > 0
        divergence = (share * logarithms).sum(2).masked_fill(~used, 0)
        return divergence.sum(1) / used.sum(1).clamp_min(1)
