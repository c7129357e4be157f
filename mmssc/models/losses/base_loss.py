"""What all losses of semantic scene completion have in common."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from mmssc.errors import DataError

__all__ = ['OccupancyLoss', 'SSCLoss', 'check_reduction', 'sample_of_points', 'sum_by_class']


class SSCLoss(nn.Module):
    """A loss that is computed per sample, in float32, and averaged over the batch.

    The mean over the samples makes one process with a batch of two equal to two processes with
    one sample each. Mixed precision is switched off inside: sums over millions of voxels do not
    fit half precision.

    Args:
        loss_weight: Factor of the result.
        ignore_index: Target value that takes no part, neither in the value nor in the gradient.

    Attributes:
        reduction: ``'sample'``, as above. Losses with an argument of that name may get ``'batch'``
            instead: all voxels of the batch are one sample, as the reference implementations of
            MonoScene and its successors have it; with one sample per process there is no
            difference.
        extra_targets: Fields of the data samples, volumes of the target's shape, that
            :meth:`per_sample` takes after the target.
    """

    reduction = 'sample'
    extra_targets: tuple[str, ...] = ()

    def __init__(self, loss_weight: float = 1.0, ignore_index: int = 255) -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self.ignore_index = ignore_index

    def forward(self, logits: Tensor, target: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Weighted mean over the samples of :meth:`per_sample`, a float32 scalar.

        Raises:
            ValueError: The shapes of ``logits`` and ``target`` do not belong together.
        """
        with torch.autocast(logits.device.type, enabled=False):
            value = self.per_sample(logits.float(), target, *args, **kwargs)
            return self.loss_weight * value.mean()

    def per_sample(self, logits: Tensor, target: Tensor, /, *args: Any, **kwargs: Any) -> Tensor:
        """The loss of every sample.

        Args:
            logits: (B, K, ...) volumes; (B, ...) for a loss of occupancy alone; some losses also
                take (N, K) points of all samples.
            target: (B, ...) or (N,) class ids.
            args: Losses of points take ``batch_index`` (N,), the sample of each point (None: all
                points are of one sample), and ``batch_size``, the number of samples, those
                without a point included.
            kwargs: The same by name.

        Returns:
            (B,) float32; 0 where nothing is valid.
        """
        raise NotImplementedError

    def flatten_voxels(self, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Bring a batch of volumes to one axis of voxels.

        Args:
            logits: (B, K, ...).
            target: (B, ...) class ids of any integer (or whole-numbered float) dtype.

        Returns:
            Logits (B, K, V), class ids (B, V) int64 with 0 in place of ``ignore_index``, and the
            mask of the valid voxels (B, V).
        """
        if target.shape != logits.shape[:1] + logits.shape[2:]:
            raise ValueError(
                f'logits {tuple(logits.shape)} need a target of shape '
                f'{tuple(logits.shape[:1] + logits.shape[2:])}, got {tuple(target.shape)}'
            )
        target = target.flatten(1)
        valid = target != self.ignore_index
        return logits.flatten(2), target.long().masked_fill(~valid, 0), valid

    def pool_batch(self, logits: Tensor, *volumes: Tensor) -> tuple[Tensor, ...]:
        """Make one sample of a batch when ``reduction`` is ``'batch'``.

        Args:
            logits: (B, K, ...), becomes (1, K, B, ...).
            volumes: Each (B, ...), becomes (1, B, ...).
        """
        if self.reduction == 'sample':
            return logits, *volumes
        return logits.transpose(0, 1).unsqueeze(0), *(volume.unsqueeze(0) for volume in volumes)

    def extra_repr(self) -> str:
        """Options shown by ``print(model)``."""
        return f'loss_weight={self.loss_weight}, ignore_index={self.ignore_index}'


class OccupancyLoss(SSCLoss):
    """A loss of occupied against empty voxels.

    Args:
        empty_index: Class id of empty; every other valid id is occupied.
        loss_weight: Factor of the result.
        ignore_index: Target value that takes no part.
    """

    def __init__(
        self, empty_index: int = 0, loss_weight: float = 1.0, ignore_index: int = 255
    ) -> None:
        super().__init__(loss_weight, ignore_index)
        self.empty_index = empty_index


def check_reduction(reduction: str, owner: str = 'loss') -> str:
    """Return ``reduction`` if there is such a one.

    Args:
        reduction: ``'sample'`` or ``'batch'``.
        owner: The class that takes it, for the message.

    Raises:
        DataError: It is neither ``'sample'`` nor ``'batch'``.
    """
    if reduction not in ('sample', 'batch'):
        expected = "'sample' or 'batch'"
        raise DataError('config', f'{owner}.reduction', expected, repr(reduction))
    return reduction


def sum_by_class(values: Tensor, classes: Tensor, num_classes: int) -> Tensor:
    """Sum of ``values`` for each sample and class in one pass.

    The voxels are dealt out to many partial sums that are added at the end: float32 stays exact
    to about 1e-7 over millions of voxels, and a GPU has few collisions.

    Args:
        values: (B, V) float32, 0 where a voxel must not count.
        classes: (B, V) int64 in [0, K).
        num_classes: K.

    Returns:
        (B, K) float32.
    """
    batch, length = values.shape
    parts = max(1, min(1024, length // 64))
    device = values.device
    bins = torch.arange(length, device=device) % parts + parts * torch.arange(
        batch, device=device
    ).unsqueeze(1)
    sums = values.new_zeros(batch * parts * num_classes)
    sums = sums.index_add(0, (bins * num_classes + classes).flatten(), values.flatten())
    return sums.view(batch, parts, num_classes).sum(1)


def sample_of_points(
    target: Tensor, batch_index: Tensor | None, batch_size: int | None
) -> tuple[Tensor, int]:
    """Sample of each point and number of samples; one sample unless said otherwise.

    Raises:
        ValueError: ``batch_index`` comes without ``batch_size``: a sample may have no point.
    """
    if batch_index is None:
        return torch.zeros_like(target, dtype=torch.long), 1
    if batch_size is None:
        raise ValueError('batch_index needs batch_size: a sample may have no point')
    return batch_index.long(), batch_size
