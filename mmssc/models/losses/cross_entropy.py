"""Cross entropy over voxels, pixels or seeds."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from mmssc.errors import DataError
from mmssc.registry import MODELS

from .base_loss import check_reduction, sample_of_points
from .class_sums import ClassSums, ClassSumsLoss, SumSettings

__all__ = ['VoxelCrossEntropyLoss']


@MODELS.register_module()
class VoxelCrossEntropyLoss(ClassSumsLoss):
    """Cross entropy with class weights, divided by the number of valid voxels.

    ``sum_v w[t_v] * CE_v / count(valid)`` for each sample. PyTorch's own weighted mean divides by
    the sum of the weights instead; ``normalizer='weights'`` gives that.

    Args:
        class_weight: One weight per class; None: equal weights. See
            :func:`mmssc.models.losses.class_weights_from_counts`.
        normalizer: ``'count'`` or ``'weights'``.
        loss_weight: Factor of the result.
        ignore_index: Target value to ignore.
        label_smoothing: The target distribution is ``1 - s`` on the class plus ``s / K`` on each
            of the K classes.
        reduction: ``'sample'``: the mean of the means of the samples. ``'batch'``: one mean over
            the valid voxels of the whole batch, as in the indoor RGB-D methods. A sample with
            more valid voxels then counts more, so two processes (which average their gradients)
            are not exactly equal to one process with twice the batch size.
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
        # float32: in the integer dtype of the targets the weights would be rounded to 0.
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
            logits: See :meth:`SSCLoss.per_sample`; also images (B, K, H, W).
            target: See :meth:`SSCLoss.per_sample`.
            batch_index: See :meth:`SSCLoss.per_sample`.
            batch_size: See :meth:`SSCLoss.per_sample`.
            mask: Bool, in the target's shape, entries that count; None: all.
            avg_factor: Divisor of the sums that replaces the normaliser: a number, or (B,). With
                ``reduction='batch'`` it is the divisor of the whole batch, and (B,) is summed. A
                method that counts ignored voxels in the divisor passes its own count.

        Returns:
            (B,) float32. With ``reduction='batch'`` its mean is the mean over the batch.

        Raises:
            DataError: There is not one class weight per class.
        """
        self._check_weights(logits.shape[1])
        valid = target != self.ignore_index
        if mask is not None:
            valid = valid & mask.bool()
        label = target.long().masked_fill(~valid, 0)
        entropy = self._entropy(logits, label).masked_fill(~valid, 0)
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
        return self._divide(total, norm)

    def _entropy(self, logits: Tensor, label: Tensor) -> Tensor:
        """Weighted cross entropy of every voxel, in the shape of ``label``."""
        rows = logits.movedim(1, -1)
        # On a CPU, PyTorch would copy channels-last volumes into the other order.
        if logits.device.type == 'cpu' and rows.is_contiguous():
            logits, targets = rows.flatten(0, -2), label.flatten()
        else:
            targets = label
        return functional.cross_entropy(
            logits,
            targets,
            weight=self.class_weight,
            reduction='none',
            label_smoothing=self.label_smoothing,
        ).reshape(label.shape)

    def sum_settings(self) -> SumSettings | None:
        """See :meth:`ClassSumsLoss.sum_settings`; label smoothing needs more than the sums."""
        return None if self.label_smoothing else super().sum_settings()

    def from_sums(self, sums: ClassSums) -> Tensor:
        """The loss of every sample, see :meth:`ClassSumsLoss.from_sums`.

        Raises:
            DataError: There is not one class weight per class.
        """
        count = sums.class_count
        self._check_weights(count.shape[1])
        total = sums.log_score
        if self.class_weight is not None:
            total = total * self.class_weight
            if self.normalizer == 'weights':
                count = count * self.class_weight
        return self._divide(-total.sum(1), count.sum(1))

    def _check_weights(self, num_classes: int) -> None:
        weights = self.class_weight
        if weights is not None and len(weights) != num_classes:
            expected = f'{num_classes} weights, one per class (num_classes of the head)'
            field = 'VoxelCrossEntropyLoss.class_weight'
            raise DataError('config', field, expected, f'{len(weights)} weights')

    def _divide(self, total: Tensor, norm: Tensor) -> Tensor:
        if self.reduction == 'batch':
            norm = norm.sum() / len(total)
        return total / norm.clamp_min(torch.finfo(norm.dtype).tiny)
