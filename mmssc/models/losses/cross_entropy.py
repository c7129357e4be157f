"""Cross entropy over voxels or seeds."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from mmssc.registry import MODELS

from .base_loss import SSCLoss, sample_of_points

__all__ = ['VoxelCrossEntropyLoss']


@MODELS.register_module()
class VoxelCrossEntropyLoss(SSCLoss):
    """Cross entropy with class weights, divided by the number of valid voxels.

    ``sum_v w[t_v] * CE_v / count(valid)`` for each sample. PyTorch's own weighted mean divides by
    the sum of the weights instead; ``normalizer='weights'`` gives that.

    Args:
        class_weight: One weight per class; None weighs all alike. See
            :func:`mmssc.models.losses.class_weights_from_counts`.
        normalizer: ``'count'`` or ``'weights'``.
        loss_weight: Factor of the result.
        ignore_index: Target value that takes no part.
    """

    class_weight: Tensor | None

    def __init__(
        self,
        class_weight: Sequence[float] | None = None,
        normalizer: str = 'count',
        loss_weight: float = 1.0,
        ignore_index: int = 255,
    ) -> None:
        super().__init__(loss_weight, ignore_index)
        if normalizer not in ('count', 'weights'):
            raise ValueError(f"normalizer must be 'count' or 'weights', got {normalizer!r}")
        self.normalizer = normalizer
        weight = None if class_weight is None else torch.tensor(class_weight, dtype=torch.float32)
        # In the logits' dtype, never in the target's: integer targets would make them 0.
        self.register_buffer('class_weight', weight, persistent=False)

    def per_sample(
        self,
        logits: Tensor,
        target: Tensor,
        batch_index: Tensor | None = None,
        batch_size: int | None = None,
    ) -> Tensor:
        """The loss of every sample, see :meth:`SSCLoss.per_sample`."""
        valid = target != self.ignore_index
        label = target.long().masked_fill(~valid, 0)
        entropy = functional.cross_entropy(
            logits, label, weight=self.class_weight, reduction='none'
        ).masked_fill(~valid, 0)
        share = valid.float()
        if self.normalizer == 'weights' and self.class_weight is not None:
            share = self.class_weight[label] * share
        if logits.dim() > 2:
            total, norm = entropy.flatten(1).sum(1), share.flatten(1).sum(1)
        else:
            sample, count = sample_of_points(target, batch_index, batch_size)
            zeros = entropy.new_zeros(count)
            total, norm = zeros.index_add(0, sample, entropy), zeros.index_add(0, sample, share)
        return total / norm.clamp_min(torch.finfo(norm.dtype).tiny)
