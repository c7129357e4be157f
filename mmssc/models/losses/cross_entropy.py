"""Cross entropy over voxels, pixels or seeds."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from mmssc.errors import DataError
from mmssc.registry import MODELS

from .base_loss import SSCLoss, check_reduction, sample_of_points

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
        label_smoothing: The target distribution is ``1 - s`` on the class plus ``s / K`` on each
            of the K classes.
        reduction: ``'sample'``: the mean of the samples' means. ``'batch'``: one mean over the
            valid voxels of the whole batch, as the indoor RGB-D methods have it; a sample with
            more valid voxels then counts more, so that two processes (whose gradients are
            averaged) are not exactly one process with the doubled batch.
    """

    class_weight: Tensor | None

    def __init__(
        self,
        class_weight: Sequence[float] | None = None,
        normalizer: str = 'count',
        loss_weight: float = 1.0,
        ignore_index: int = 255,
        label_smoothing: float = 0.0,
        reduction: str = 'sample',
    ) -> None:
        super().__init__(loss_weight, ignore_index)
        if normalizer not in ('count', 'weights'):
            field, expected = 'VoxelCrossEntropyLoss.normalizer', "'count' or 'weights'"
            raise DataError('config', field, expected, repr(normalizer))
        if not 0 <= label_smoothing <= 1:
            field = 'VoxelCrossEntropyLoss.label_smoothing'
            raise DataError('config', field, 'a number in [0, 1]', repr(label_smoothing))
        self.normalizer = normalizer
        self.reduction = check_reduction(reduction, type(self).__name__)
        self.label_smoothing = label_smoothing
        weight = None if class_weight is None else torch.tensor(class_weight, dtype=torch.float32)
        # In the logits' dtype, never in the target's: integer targets would make them 0.
        self.register_buffer('class_weight', weight, persistent=False)

    def per_sample(
        self,
        logits: Tensor,
        target: Tensor,
        batch_index: Tensor | None = None,
        batch_size: int | None = None,
        mask: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor:
        """The loss of every sample, see :meth:`SSCLoss.per_sample`.

        Args:
            logits: See :meth:`SSCLoss.per_sample`; images (B, K, H, W) are as good as volumes.
            target: See :meth:`SSCLoss.per_sample`.
            batch_index: See :meth:`SSCLoss.per_sample`.
            batch_size: See :meth:`SSCLoss.per_sample`.
            mask: Bool, of the target's shape: entries outside take no part. None takes all.
            avg_factor: What the sums are divided by in place of the normaliser: a number, or
                (B,); with ``reduction='batch'`` it is the number for the whole batch, (B,) being
                summed. A method that counts ignored voxels in the divisor passes its own count.

        Returns:
            (B,) float32; with ``reduction='batch'`` the shares of the samples, whose mean is the
            mean over the batch.
        """
        valid = target != self.ignore_index
        if mask is not None:
            valid = valid & mask.bool()
        label = target.long().masked_fill(~valid, 0)
        entropy = functional.cross_entropy(
            logits,
            label,
            weight=self.class_weight,
            reduction='none',
            label_smoothing=self.label_smoothing,
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
        if avg_factor is not None:
            norm = torch.as_tensor(avg_factor, dtype=total.dtype, device=total.device)
        if self.reduction == 'batch':
            norm = norm.sum() / len(total)
        return total / norm.clamp_min(torch.finfo(norm.dtype).tiny)
