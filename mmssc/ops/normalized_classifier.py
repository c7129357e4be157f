"""Batch normalisation, ReLU and a linear layer for each voxel, without a volume between them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from .exact_norm import (
    batch_statistics,
    gradient_sums,
    slope_and_offset,
    write_gradient,
)
from .products import linear, matmul

__all__ = ['classify_normalized']

# A block of voxels stays in the cache of a core; fewer channels make longer blocks.
_BLOCK_BYTES = 1 << 20


def classify_normalized(
    volume: Tensor, gain: Tensor, shift: Tensor, eps: float, weight: Tensor, bias: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Logits of the ReLU of a normalised volume, in float32 on a CPU.

    A few voxels at a time pass through all three steps, and again in the backward pass. Only the
    volume itself is stored, and only its gradient is as large. There is no second derivative.

    Args:
        volume: (B, C, X, Y, Z), see :func:`~mmssc.ops.exact_norm.has_inexact_sums`.
        gain: (C,), weight of the batch normalisation.
        shift: (C,), its bias.
        eps: Added to the variance.
        weight: (K, C) of the linear layer.
        bias: (K,).

    Returns:
        Logits (B, K, X, Y, Z), channels-last; then mean and biased variance of the batch, (C,) each
        and without gradients.
    """
    logits, mean, var = _Classify.apply(volume, gain, shift, eps, weight, bias)
    return logits.permute(0, 4, 1, 2, 3), mean, var


class _Classify(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        volume: Tensor,
        gain: Tensor,
        shift: Tensor,
        eps: float,
        weight: Tensor,
        bias: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        mean, var = batch_statistics(volume)
        inverse = (var + eps).rsqrt()
        scale = inverse * gain
        affine = scale.float(), (shift - mean * scale).float()
        batch, _, *sides = volume.shape
        logits = volume.new_empty(batch, *sides, len(weight))
        for rows, out in _blocks(_rows(volume), logits.flatten(0, -2)):
            out.copy_(linear(_activate(rows, *affine), weight, bias))
        ctx.save_for_backward(volume, gain, weight, mean, inverse, *affine)
        mean, var = mean.float(), var.float()
        ctx.mark_non_differentiable(mean, var)
        return logits, mean, var

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        volume, gain, weight, mean, inverse, *affine = ctx.saved_tensors
        to_volume = torch.empty_like(volume)
        voxels, written = _rows(volume), _rows(to_volume)
        tops = grad.contiguous().flatten(0, -2)
        to_weight, to_bias, sums = (
            torch.zeros(shape, dtype=torch.float64)
            for shape in (weight.shape, weight.shape[:1], (2, weight.shape[1]))
        )
        norm = mean.float(), inverse.float()
        for rows, top, out in _blocks(voxels, tops, written):
            active = _activate(rows, *affine)
            to_weight += matmul(top.t(), active)
            to_bias += top.sum(0)
            torch.mul(matmul(top, weight), active > 0, out=out)
            sums += gradient_sums(rows, out, *norm)
        # The gradient loses its mean and what it shares with the normalised volume.
        by_value, by_one = sums * gain / (volume.numel() // volume.shape[1])
        factors = slope_and_offset(by_value, by_one, mean, inverse)
        write_gradient(voxels, written, written, (inverse * gain).float(), *factors)
        to_gain, to_shift = sums.float()
        return to_volume, to_gain, to_shift, None, to_weight.float(), to_bias.float()


def _rows(volume: Tensor) -> Tensor:
    """A channels-last volume (B, C, X, Y, Z) as one row of channels for each voxel."""
    return volume.movedim(1, -1).flatten(0, -2)


def _blocks(*rows: Tensor) -> Iterator[tuple[Tensor, ...]]:
    size = max(1, _BLOCK_BYTES // (4 * rows[0].shape[1]))
    return zip(*(one.split(size) for one in rows))


def _activate(rows: Tensor, scale: Tensor, offset: Tensor) -> Tensor:
    return F.relu(torch.addcmul(offset, rows, scale), inplace=True)
