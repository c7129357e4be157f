"""Cross entropy on the occupied voxels and on as many drawn empty ones (SSCNet)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mmssc.errors import DataError
from mmssc.registry import MODELS

from .cross_entropy import VoxelCrossEntropyLoss

__all__ = ['BalancedCrossEntropyLoss']

_NORMALIZERS = ('unselected', 'count', 'weights')


@MODELS.register_module()
class BalancedCrossEntropyLoss(VoxelCrossEntropyLoss):
    """Cross entropy on all occupied voxels and on a random draw of the empty ones.

    Most voxels are empty. For N occupied voxels, ``empty_ratio * N`` empty ones are drawn, from
    PyTorch's random numbers, and all other voxels do not count.

    Args:
        empty_ratio: Drawn empty voxels per occupied voxel.
        draw: ``'sample'``: from each sample, for its own N. ``'batch'``: from the whole batch, for
            the N of the batch.
        replacement: Draw with replacement, so fewer *different* voxels count. Without it, all empty
            voxels count if there are fewer than wanted.
        normalizer: Divisor of the sum. ``'unselected'``: the number of labelled voxels that were
            *not* selected, at least 1 (as in the official LMSCNet code). ``'count'``: the number of
            selected voxels. ``'weights'``: the sum of their class weights.
        class_weight: One weight per class; None: equal weights.
        loss_weight: Factor of the result.
        ignore_index: Target value to ignore.
        reduction: See :class:`VoxelCrossEntropyLoss`.

    Raises:
        DataError: An option is unknown, or ``empty_ratio`` is negative.
    """

    def __init__(
        self,
        empty_ratio: float = 2.0,
        draw: str = 'sample',
        replacement: bool = True,
        normalizer: str = 'unselected',
        class_weight: Sequence[float] | None = None,
        loss_weight: float = 1.0,
        ignore_index: int = 255,
        reduction: str = 'batch',
    ) -> None:
        for name, value, allowed in (
            ('draw', draw, ('sample', 'batch')),
            ('normalizer', normalizer, _NORMALIZERS),
        ):
            if value not in allowed:
                field, expected = f'BalancedCrossEntropyLoss.{name}', ', '.join(map(repr, allowed))
                raise DataError('config', field, expected, repr(value))
        if not empty_ratio >= 0:
            field = 'BalancedCrossEntropyLoss.empty_ratio'
            raise DataError('config', field, 'a number of 0 or more', empty_ratio)
        base = 'count' if normalizer == 'unselected' else normalizer
        super().__init__(class_weight, base, loss_weight, ignore_index, reduction=reduction)
        self.empty_ratio, self.draw, self.replacement = empty_ratio, draw, replacement
        self.counts_unselected = normalizer == 'unselected'

    def select(self, target: Tensor) -> Tensor:
        """The voxels that count: all occupied ones and a draw of the empty ones.

        Args:
            target: (B, ...) class ids.

        Returns:
            bool of the same shape.
        """
        occupied = (target != 0) & (target != self.ignore_index)
        groups = range(len(target)) if self.draw == 'sample' else [slice(None)]
        selected = occupied.clone()
        for group in groups:
            empty = torch.nonzero((target[group] == 0).flatten())[:, 0]
            wanted = int(self.empty_ratio * int(occupied[group].sum()))
            part = selected[group].flatten()
            part[empty[self._positions(len(empty), wanted, target.device)]] = True
            selected[group] = part.view(target[group].shape)
        return selected

    def _positions(self, count: int, wanted: int, device: torch.device) -> Tensor:
        """Random positions among ``count`` voxels."""
        if not self.replacement:
            return torch.randperm(count, device=device)[:wanted]
        return torch.randint(max(count, 1), (wanted if count else 0,), device=device)

    def per_sample(self, logits: Tensor, target: Tensor, selected: Tensor | None = None) -> Tensor:  # type: ignore[override]
        """The loss of every sample.

        Args:
            logits: (B, K, ...).
            target: (B, ...) class ids.
            selected: (B, ...) bool, the voxels that count; None draws them.

        Returns:
            (B,) float32. With ``reduction='batch'`` its mean is the loss of the batch.
        """
        selected = self.select(target) if selected is None else selected
        divisor = None
        if self.counts_unselected:
            others = ((target != self.ignore_index) & ~selected).flatten(1).sum(1)
            # Never 0: a scene with few voxels can have none left.
            divisor = (others if self.reduction == 'sample' else others.sum()).clamp_min(1)
        return super().per_sample(logits, target, mask=selected, avg_factor=divisor)
