"""Loss of predicted run lengths (VoxDet, arXiv 2506.04623)."""

from __future__ import annotations

from torch import Tensor

from mmssc.registry import MODELS

from .base_loss import SSCLoss, check_reduction

__all__ = ['RunLengthLoss']


@MODELS.register_module()
class RunLengthLoss(SSCLoss):
    """Absolute differences of run lengths, in shares of the axis.

    As released: the sum over **all** voxels and directions, divided by twice the number of labelled
    voxels. ``masked=True`` gives what was meant: the sum over labelled voxels, divided by their
    number.

    Args:
        masked: Whether unlabelled voxels are left out.
        loss_weight: Factor of the result.
        ignore_index: Label of unlabelled voxels.
        reduction: ``'sample'`` or ``'batch'``, see :class:`SSCLoss`.
    """

    def __init__(
        self,
        masked: bool = False,
        loss_weight: float = 1.0,
        ignore_index: int = 255,
        reduction: str = 'sample',
    ) -> None:
        super().__init__(loss_weight, ignore_index)
        self.masked = masked
        self.reduction = check_reduction(reduction, type(self).__name__)

    def per_sample(self, distances: Tensor, target: Tensor, labels: Tensor) -> Tensor:
        """The loss of every sample.

        Args:
            distances: (B, 6, X, Y, Z) predicted shares of the axis.
            target: (B, 6, X, Y, Z) true ones.
            labels: (B, X, Y, Z) class ids.

        Returns:
            (B,) float32, or (1,) with ``reduction='batch'``; 0 for a sample without labels.
        """
        error = (distances - target).abs().sum(1)
        valid = labels != self.ignore_index
        if self.masked:
            error = error.masked_fill(~valid, 0)
        if self.reduction == 'batch':
            error, valid = error.unsqueeze(0), valid.unsqueeze(0)
        count = valid.flatten(1).sum(1)
        mean = error.flatten(1).sum(1) / count.clamp(min=1) * (count > 0)
        return mean if self.masked else mean / 2
