"""Lovasz-softmax (Berman et al., CVPR 2018, arXiv 1705.08790)."""

from __future__ import annotations

import torch
from torch import Tensor

from mmssc.registry import MODELS

from .base_loss import SSCLoss, sample_of_points

__all__ = ['LovaszSoftmaxLoss']


@MODELS.register_module()
class LovaszSoftmaxLoss(SSCLoss):
    """Lovasz-softmax over the points of each sample, mean over the classes that occur."""

    def per_sample(
        self,
        logits: Tensor,
        target: Tensor,
        batch_index: Tensor | None = None,
        batch_size: int | None = None,
    ) -> Tensor:
        """The loss of every sample, see :meth:`SSCLoss.per_sample`."""
        if logits.dim() > 2:
            volumes, targets, valid = self.flatten_voxels(logits, target)
            return torch.stack(
                [
                    _lovasz_softmax(volume[:, mask].t(), label[mask])
                    for volume, label, mask in zip(volumes, targets, valid)
                ]
            )
        batch_index, batch_size = sample_of_points(target, batch_index, batch_size)
        batch_index = batch_index.masked_fill(target == self.ignore_index, -1)
        return torch.stack(
            [
                _lovasz_softmax(logits[mask], target[mask].long())
                for mask in (batch_index == sample for sample in range(batch_size))
            ]
        )


def _lovasz_softmax(logits: Tensor, target: Tensor) -> Tensor:
    """Lovasz-softmax of one set of valid points: (N, K), (N,) -> scalar, all classes at once."""
    if not len(target):
        return logits.sum()  # 0, and part of the graph
    # Classes first: sorting and summing along a contiguous axis is much faster, also on a GPU.
    scores = logits.softmax(1).t().contiguous()
    classes = torch.arange(len(scores), device=target.device)
    member = (target == classes[:, None]).to(scores.dtype)
    errors, order = (member - scores).abs().sort(dim=1, descending=True)
    seen = member.gather(1, order).cumsum(1)
    size = seen[:, -1:]
    # Jaccard loss of the first n points of each class, then its increments (algorithm 1).
    count = torch.arange(1, len(target) + 1, device=seen.device, dtype=seen.dtype)
    jaccard = 1 - (size - seen) / (size + count - seen)
    gradient = torch.cat([jaccard[:, :1], jaccard.diff(dim=1)], 1)
    size = size[:, 0]
    present = size > 0
    return ((errors * gradient).sum(1) * present).sum() / present.sum()
