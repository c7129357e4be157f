"""Binary occupancy loss."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from mmssc.registry import MODELS

from .base_loss import OccupancyLoss

__all__ = ['BinaryOccupancyLoss']


@MODELS.register_module()
class BinaryOccupancyLoss(OccupancyLoss):
    """Binary cross entropy of occupied and empty, mean over the valid voxels.

    Computed from logits: equal to the form on probabilities up to rounding, and safe in mixed
    precision. Arguments: :class:`OccupancyLoss`; logits are (B, ...), positive for occupied.
    """

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """The loss of every sample, see :meth:`SSCLoss.per_sample`."""
        if logits.shape != target.shape:
            raise ValueError(
                f'logits {tuple(logits.shape)} and target {tuple(target.shape)} differ in shape'
            )
        valid = target != self.ignore_index
        occupied = (target != self.empty_index).float()
        entropy = functional.binary_cross_entropy_with_logits(logits, occupied, reduction='none')
        entropy = entropy.masked_fill(~valid, 0).flatten(1).sum(1)
        return entropy / valid.flatten(1).sum(1).clamp_min(1)
