"""Loss on the relations of the context prior (MonoScene, arXiv 2112.00726, section 3.3)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from mmssc.geometry.context_relations import context_relations
from mmssc.registry import MODELS

from .base_loss import OccupancyLoss, check_reduction

__all__ = ['ContextRelationLoss']


@MODELS.register_module()
class ContextRelationLoss(OccupancyLoss):
    """Binary cross entropy of the relations between voxels and mega voxels.

    The relations are computed from the labels at the resolution of the voxels, on the device of
    the labels; no matrix is stored or loaded. Positives of relation r have the weight
    (number of 0) / (number of 1). The loss is the mean over all pairs and relations. A relation
    without positives needs no weight (the reference gives nan). Pairs with an unlabelled voxel
    count as negatives, as in the reference.

    Args:
        num_classes: Number of classes, including empty.
        empty_index: See :class:`OccupancyLoss`.
        loss_weight: Factor of the result.
        ignore_index: Id of voxels without a label.
        reduction: ``'sample'``, or ``'batch'`` for weights over the whole batch, see
            :class:`SSCLoss`.
    """

    def __init__(
        self,
        num_classes: int,
        empty_index: int = 0,
        loss_weight: float = 1.0,
        ignore_index: int = 255,
        reduction: str = 'sample',
    ) -> None:
        super().__init__(empty_index, loss_weight, ignore_index)
        self.num_classes = num_classes
        self.reduction = check_reduction(reduction, type(self).__name__)

    def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
        """The loss of every sample, see :meth:`SSCLoss.per_sample`.

        Args:
            logits: (B, R, M, N), R relations (4 or 2) between M mega voxels and N voxels, both
                flattened.
            target: (B, n1, n2, n3) class ids of the N voxels.

        Returns:
            (B,) float32.

        Raises:
            ValueError: The shapes do not match.
        """
        relations = context_relations(
            target, self.num_classes, logits.shape[1], self.empty_index, self.ignore_index
        ).transpose(2, 3)
        if relations.shape != logits.shape:
            raise ValueError(
                f'logits {tuple(logits.shape)} do not match the relations '
                f'{tuple(relations.shape)} of a target {tuple(target.shape)}'
            )
        holds = relations.to(logits.dtype)
        axes = (0, 2, 3) if self.reduction == 'batch' else (2, 3)
        positives = relations.sum(axes, keepdim=True)
        pairs = relations[:, 0].numel() // positives.shape[0]
        weight = (pairs - positives) / positives.clamp_min(1)
        return functional.binary_cross_entropy_with_logits(
            logits, holds, pos_weight=weight.to(logits.dtype), reduction='none'
        ).mean((1, 2, 3))
