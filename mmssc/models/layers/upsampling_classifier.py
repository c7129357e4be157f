"""Classifier at a multiple of a volume's resolution."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from mmssc.ops import linear
from mmssc.ops.autocast import autocast_dtype

from .volume_heads import VoxelClassifier

__all__ = ['UpsamplingClassifier']

# Voxels per step on the CPU: their features stay in the cache.
_STEP = 8192


class UpsamplingClassifier(VoxelClassifier):
    """Trilinear up-sampling (``align_corners=True``), then LayerNorm and a linear layer per voxel.

    The LayerNorm comes after the interpolation; the other order gives another result. On the CPU a
    few planes of the volume pass through all three at a time, and again in the backward pass: the
    up-sampled features, the largest tensor of the network, never exist as a whole.

    Args:
        channels: Input channels.
        num_classes: Number of classes K.
        scale_factor: Up-sampling factor of every axis.
        chunk_size: As in :class:`VoxelClassifier`; not used on the CPU.
    """

    def __init__(
        self,
        channels: int,
        num_classes: int,
        scale_factor: int = 2,
        chunk_size: int = 1 << 18,
    ) -> None:
        super().__init__(channels, num_classes, chunk_size)
        self.scale_factor = scale_factor

    def forward(self, volume: Tensor) -> Tensor:
        """Map (B, channels, X, Y, Z) to logits (B, K, s X, s Y, s Z), channels-last in memory."""
        if volume.device.type == 'cpu' and not torch.jit.is_tracing():
            weights = *self.norm.parameters(), *self.classifier.parameters()
            logits = _ClassifyByPlanes.apply(volume, self.scale_factor, self.norm.eps, *weights)
            return logits.permute(0, 4, 1, 2, 3)
        volume = F.interpolate(
            volume, scale_factor=self.scale_factor, mode='trilinear', align_corners=True
        ).permute(0, 2, 3, 4, 1)
        logits = super().forward(volume.reshape(-1, volume.shape[-1]))
        return logits.reshape(*volume.shape[:-1], -1).permute(0, 4, 1, 2, 3)


class _Context(FunctionCtx):
    """What the forward pass of :class:`_ClassifyByPlanes` leaves to the backward pass."""

    saved_tensors: tuple[Tensor, ...]
    scale: int
    eps: float
    dtype: torch.dtype | None


class _ClassifyByPlanes(torch.autograd.Function):
    """Volume (B, C, X, Y, Z) to logits (B, s X, s Y, s Z, K), some planes across x at a time."""

    @staticmethod
    def forward(ctx: _Context, volume: Tensor, scale: int, eps: float, *weights: Tensor) -> Tensor:
        ctx.save_for_backward(volume, *weights)
        ctx.scale, ctx.eps, ctx.dtype = scale, eps, autocast_dtype('cpu')
        batch, _, *sides = volume.shape
        shape = batch, *(scale * side for side in sides), weights[2].shape[0]
        logits = volume.new_empty(shape, dtype=ctx.dtype or volume.dtype)
        rows = volume.permute(0, 2, 3, 4, 1)
        for planes, lower, upper, share in _steps(volume, scale):
            mixed = _between(rows, lower, upper, share)
            logits[:, planes] = _classify(mixed, scale, eps, *weights)
        return logits

    @staticmethod
    @once_differentiable
    def backward(ctx: _Context, grad: Tensor) -> tuple[Tensor | None, ...]:
        volume, *weights = ctx.saved_tensors
        rows = volume.permute(0, 2, 3, 4, 1)
        wide = torch.promote_types(volume.dtype, torch.float32)
        grad_rows = torch.zeros(rows.shape, dtype=wide)
        sums = [torch.zeros_like(weight) for weight in weights]
        leaves = [weight.detach().requires_grad_() for weight in weights]
        for planes, lower, upper, share in _steps(volume, ctx.scale):
            mixed = _between(rows, lower, upper, share).requires_grad_()
            with torch.enable_grad(), torch.autocast('cpu', ctx.dtype, enabled=bool(ctx.dtype)):
                logits = _classify(mixed, ctx.scale, ctx.eps, *leaves)
            to_mixed, *parts = torch.autograd.grad(logits, (mixed, *leaves), grad[:, planes])
            # Plane by plane: index_add_ takes three times as long.
            for plane, low, high, part in zip(to_mixed.unbind(1), lower, upper, share.flatten()):
                grad_rows[:, low].add_(plane, alpha=1 - float(part))
                grad_rows[:, high].add_(plane, alpha=float(part))
            for total, one in zip(sums, parts):
                total += one
        return grad_rows.to(volume.dtype).permute(0, 4, 1, 2, 3), None, None, *sums


def _between(rows: Tensor, lower: Tensor, upper: Tensor, share: Tensor) -> Tensor:
    """Interpolate between planes of (B, X, Y, Z, C), in float32 or wider."""
    below, above = (rows.index_select(1, planes).to(share.dtype) for planes in (lower, upper))
    return torch.lerp(below, above, share)


def _classify(
    rows: Tensor, scale: int, eps: float, gain: Tensor, shift: Tensor, weight: Tensor, bias: Tensor
) -> Tensor:
    """Planes (B, P, Y, Z, C) to logits (B, P, s Y, s Z, K)."""
    images = rows.flatten(0, 1).permute(0, 3, 1, 2)
    images = F.interpolate(images, scale_factor=scale, mode='bilinear', align_corners=True)
    fine = F.layer_norm(images.permute(0, 2, 3, 1), gain.shape, gain, shift, eps)
    return linear(fine, weight, bias).unflatten(0, rows.shape[:2])


def _steps(volume: Tensor, scale: int) -> Any:
    """Fine planes of each step, the coarse planes on both sides, and the share of the upper one."""
    _, _, x, y, z = volume.shape
    # In the precision of PyTorch's own interpolation.
    dtype = torch.promote_types(volume.dtype, torch.float32)
    position = torch.arange(scale * x, dtype=dtype) * ((x - 1) / max(scale * x - 1, 1))
    lower = position.long().clamp(max=x - 1)
    upper = (lower + 1).clamp(max=x - 1)
    share = (position - lower).view(-1, 1, 1, 1)
    planes = torch.arange(scale * x)
    size = max(1, _STEP // (scale * scale * y * z))
    return zip(*(part.split(size) for part in (planes, lower, upper, share)))
