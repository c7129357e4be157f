"""Base classes and shared functions of the losses."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from mmssc.errors import DataError

__all__ = ['OccupancyLoss', 'SSCLoss', 'check_reduction', 'sample_of_points', 'sum_by_class']


class SSCLoss(nn.Module):
    """A loss that is computed per sample, in float32, and averaged over the batch.

    The mean over the samples makes one process with a batch of two equal to two processes with
    one sample each. Mixed precision is off inside, because half precision cannot hold sums over
    millions of voxels.

    Args:
        loss_weight: Factor of the result.
        ignore_index: Target value to ignore, in the loss and in its gradient.

    Attributes:
        reduction: ``'sample'``, as above. Losses with this argument also accept ``'batch'``: all
            voxels of the batch count as one sample, as in the reference implementations of
            MonoScene and its successors. With one sample per process both are equal.
        extra_targets: Fields of the data samples that :meth:`per_sample` takes after the target;
            volumes of the target's shape.
    """

    reduction = 'sample'
    extra_targets: tuple[str, ...] = ()

    def __init__(self, loss_weight: float = 1.0, ignore_index: int = 255) -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self.ignore_index = ignore_index
        self._ids_checked = False

    def forward(self, logits: Tensor, target: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """``loss_weight`` times the mean of :meth:`per_sample`, a float32 scalar.

        Raises:
            ValueError: The shapes of ``logits`` and ``target`` do not match.
            DataError: An id of the first target is not a class of the logits.
        """
        self._check_ids(logits, target)
        with torch.autocast(logits.device.type, enabled=False):
            value = self.per_sample(logits.float(), target, *args, **kwargs)
            return self.loss_weight * value.mean()

    def _check_ids(self, logits: Tensor, target: Tensor) -> None:
        # Only once, because it waits for the GPU. Targets with a class axis are no ids.
        if self._ids_checked or not isinstance(target, Tensor):
            return
        if logits.dim() != target.dim() + 1:
            return
        self._ids_checked = True
        classes = logits.shape[1]
        wrong = target[((target < 0) | (target >= classes)) & (target != self.ignore_index)]
        if wrong.numel():
            raise DataError(
                type(self).__name__, 'class ids of the labels',
                f'0..{classes - 1}: the head has num_classes={classes}',
                f'{int(wrong.min())}..{int(wrong.max())}',
                'Give the head num_classes of the data set',
            )  # fmt: skip

    def per_sample(self, logits: Tensor, target: Tensor, /, *args: Any, **kwargs: Any) -> Tensor:
        """The loss of every sample.

        Args:
            logits: (B, K, ...) volumes; (B, ...) for losses on occupancy only; some losses also
                take (N, K) points of all samples.
            target: (B, ...) or (N,) class ids.
            args: Losses on points take ``batch_index`` (N,), the sample of each point (None: one
                sample has all points), and ``batch_size``, the number of samples, including
                samples without points.
            kwargs: The same as keyword arguments.

        Returns:
            (B,) float32; 0 for a sample without valid entries.
        """
        raise NotImplementedError

    def flatten_voxels(self, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Flatten the voxels of a batch of volumes to one axis.

        Args:
            logits: (B, K, ...).
            target: (B, ...) class ids of any integer (or whole-numbered float) dtype.

        Returns:
            Logits (B, K, V), class ids (B, V) int64 with ``ignore_index`` replaced by 0, and the
            mask of the valid voxels (B, V) bool.

        Raises:
            ValueError: The shapes do not match.
        """
        self.check_shapes(logits, target)
        target = target.flatten(1)
        valid = target != self.ignore_index
        return logits.flatten(2), target.long().masked_fill(~valid, 0), valid

    @staticmethod
    def check_shapes(logits: Tensor, target: Tensor) -> None:
        """Refuse logits (B, K, ...) and a target of another shape than (B, ...).

        Raises:
            ValueError: The shapes do not match.
        """
        expected = logits.shape[:1] + logits.shape[2:]
        if target.shape != expected:
            raise ValueError(
                f'logits {tuple(logits.shape)} need a target of shape {tuple(expected)}, '
                f'got {tuple(target.shape)}'
            )

    def pool_batch(self, logits: Tensor, *volumes: Tensor) -> tuple[Tensor, ...]:
        """Merge the batch into one sample if ``reduction`` is ``'batch'``.

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
    """A loss that compares occupied with empty voxels.

    Args:
        empty_index: Class id of empty voxels; all other valid ids are occupied.
        loss_weight: Factor of the result.
        ignore_index: Target value to ignore.
    """

    def __init__(
        self, empty_index: int = 0, loss_weight: float = 1.0, ignore_index: int = 255
    ) -> None:
        super().__init__(loss_weight, ignore_index)
        self.empty_index = empty_index


def check_reduction(reduction: str, owner: str = 'loss') -> str:
    """Return ``reduction`` if it is valid.

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
    """Sum of ``values`` per sample and class, in one pass.

    Uses many partial sums that are added at the end: the relative error in float32 stays at about
    1e-7 over millions of voxels, and a GPU has few collisions.

    Args:
        values: (B, V) float32, 0 for voxels that do not count.
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
    """Sample index of each point (N,) int64, and the number of samples.

    Without ``batch_index`` all points belong to one sample.

    Raises:
        ValueError: ``batch_index`` is given without ``batch_size``.
    """
    if batch_index is None:
        return torch.zeros_like(target, dtype=torch.long), 1
    if batch_size is None:
        raise ValueError('batch_index needs batch_size, because a sample may have no points')
    return batch_index.long(), batch_size
