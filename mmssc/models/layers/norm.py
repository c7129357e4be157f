"""Normalisation layers built from configs, and batch normalisation over several processes."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from mmcv.cnn import build_norm_layer
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx
from torch.nn.modules.batchnorm import _BatchNorm

from mmssc.registry import MODELS

__all__ = ['DistributedBN', 'build_norm', 'normalize_rows']


@MODELS.register_module()
class DistributedBN(_BatchNorm):
    """Batch normalisation over the samples of all processes.

    Like ``nn.SyncBatchNorm``, but for any number of dimensions, any device and any backend (also
    gloo on the CPU). All elements have the same weight, even if the processes hold different
    numbers of sparse rows; a process may hold none. Two processes with one sample each give the
    output, gradients and running statistics of one process with both samples. In one process this
    is plain batch normalisation.

    If all processes together have fewer than two elements per channel, the layer normalises with
    the running statistics and does not update them.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(f'expected (N, C, ...), got {input.dim()} dimensions')

    def forward(self, input: Tensor) -> Tensor:
        """Normalise (N, C, ...) over all axes but C."""
        if not self.training:
            return super().forward(input)
        count = input.numel() // self.num_features
        if not dist.is_initialized() or dist.get_world_size() == 1:
            return super().forward(input) if count > 1 else _with_running_statistics(self, input)
        return self._forward_distributed(input, count)

    def _forward_distributed(self, input: Tensor, local_count: int) -> Tensor:
        wide = input.to(torch.promote_types(input.dtype, torch.float32))
        axes = [0, *range(2, input.dim())]
        view = [1, -1] + [1] * (input.dim() - 2)
        sums = torch.cat([wide.sum(axes), wide.new_tensor([local_count])])
        sums = _AllReduceSum.apply(sums)
        count = sums[-1].detach()
        if count < 2:
            return _with_running_statistics(self, input)
        # Two passes: the variance as a difference of large sums would lose precision.
        mean = sums[:-1] / count
        centered = wide - mean.view(view)
        var = _AllReduceSum.apply(centered.square().sum(axes)) / count
        self._update_running_statistics(mean.detach(), var.detach() * count / (count - 1))
        output = centered * torch.rsqrt(var + self.eps).view(view)
        if self.affine:
            output = output * self.weight.view(view) + self.bias.view(view)
        return output.to(input.dtype)

    def _update_running_statistics(self, mean: Tensor, unbiased_var: Tensor) -> None:
        if not self.track_running_stats:
            return
        running_mean, running_var = self.running_mean, self.running_var
        batches = self.num_batches_tracked
        if running_mean is None or running_var is None or batches is None:
            return
        batches.add_(1)
        weight = 1.0 / float(batches) if self.momentum is None else self.momentum
        running_mean.lerp_(mean.to(running_mean.dtype), weight)
        running_var.lerp_(unbiased_var.to(running_var.dtype), weight)


class _AllReduceSum(torch.autograd.Function):
    """Sum over processes; the gradient is the sum of the gradients of all processes."""

    @staticmethod
    def forward(ctx: FunctionCtx, value: Tensor) -> Tensor:
        value = value.clone()
        dist.all_reduce(value)
        return value

    @staticmethod
    def backward(ctx: FunctionCtx, grad: Tensor) -> Tensor:
        grad = grad.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(grad)
        return grad


def build_norm(norm_cfg: dict[str, Any], channels: int, dims: int) -> nn.Module:
    """Build a normalisation layer.

    Args:
        norm_cfg: ``type`` and arguments. ``'BN'`` is plain batch normalisation for
            ``dims``; other names come from the registry, e.g. ``'DistributedBN'``, ``'SyncBN'`` or
            ``'GN'``. ``requires_grad=False`` freezes the affine parameters.
        channels: Number of channels.
        dims: 1 for (N, C) rows, 2 for images, 3 for volumes.
    """
    # mmcv's 'BN' is always BatchNorm2d, and mmcv looks up names without our scope.
    names = {'BN': f'BN{dims}d', 'DistributedBN': 'mmssc.DistributedBN'}
    cfg = {**norm_cfg, 'type': names.get(norm_cfg['type'], norm_cfg['type'])}
    return build_norm_layer(cfg, channels)[1]


def normalize_rows(norm: nn.Module, rows: Tensor) -> Tensor:
    """Apply a normalisation layer to sparse rows.

    Args:
        norm: Any layer. Plain batch normalisation of fewer than two rows uses the running
            statistics, because one row has no variance.
        rows: (N, C); N may be 0.

    Returns:
        (N, C).
    """
    if isinstance(norm, nn.BatchNorm1d) and norm.training and len(rows) < 2:
        return _with_running_statistics(norm, rows)
    return norm(rows)


def _with_running_statistics(norm: _BatchNorm, input: Tensor) -> Tensor:
    return F.batch_norm(
        input, norm.running_mean, norm.running_var, norm.weight, norm.bias, False, 0.0, norm.eps
    )
