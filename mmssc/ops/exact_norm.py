"""Batch and group normalisation of channels-last tensors with exact sums on a CPU."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mmssc.geometry.tracing import has_values

__all__ = [
    'batch_statistics', 'gradient_sums', 'has_inexact_sums', 'normalize', 'slope_and_offset',
    'write_gradient',
]  # fmt: skip

# PyTorch adds up this many rows well enough.
_FEW_ROWS = 1024
# Values of a row, and rows of a block: a megabyte or less stays in the cache of a core.
_WIDTH = 4 * 64
_BLOCK_ROWS = (1 << 20) // (4 * _WIDTH)


def has_inexact_sums(x: Tensor) -> bool:
    """Whether :func:`normalize` is more exact than PyTorch (2.13).

    On a CPU PyTorch adds up the rows of a channels-last tensor one after the other in float32. With
    260,000 voxels, group normalisation was off by 0.025 and batch normalisation by 0.009.

    Args:
        x: (B, C, ...).
    """
    if x.device.type != 'cpu' or x.dim() < 2 or torch.jit.is_tracing() or not has_values():
        return False
    is_long = x.numel() > _FEW_ROWS * x.shape[1]
    is_real = x.dtype in (torch.float32, torch.bfloat16)
    return is_long and is_real and x.movedim(1, -1).is_contiguous()


def normalize(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float, num_groups: int | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Normalise a tensor of :func:`has_inexact_sums`; there is no second derivative.

    Args:
        x: (B, C, ...).
        weight: (C,) float32, or None.
        bias: (C,) float32, or None.
        eps: Added to the variance.
        num_groups: Groups of channels; each has its own statistics in each sample. None: each
            channel has its own over the whole batch.

    Returns:
        The output, in shape and memory order of ``x``; then mean and biased variance, (S, C)
        float32 each and without gradients. S is B with groups and 1 without.
    """
    is_batch = num_groups is None
    groups = (x.shape[1], 1) if num_groups is None else (num_groups, x.shape[1] // num_groups)
    output, mean, var = _Normalize.apply(x, weight, bias, eps, groups, is_batch)
    return output, mean[:, : x.shape[1]], var[:, : x.shape[1]]


def batch_statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance of each channel, (C,) float64.

    Args:
        x: (B, C, ...), see :func:`has_inexact_sums`.
    """
    samples, channels = _rows(x, True), x.shape[1]
    mean, var = _statistics(samples, (samples.shape[2] // channels, channels, 1))
    return mean[0, :channels], var[0, :channels]


class _Normalize(torch.autograd.Function):
    """The work is done on rows of W columns: voxels x groups x channels of a group."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        eps: float,
        groups: tuple[int, int],
        is_batch: bool,
    ) -> tuple[Tensor, Tensor, Tensor]:
        samples = _rows(x, is_batch)
        shape = (samples.shape[2] // x.shape[1], *groups)
        mean, var = _statistics(samples, shape)
        scale = (var + eps).rsqrt()
        shift = -mean * scale
        if weight is not None:
            factor = weight.repeat(shape[0])
            scale, shift = scale * factor, shift * factor
        if bias is not None:
            shift = shift + bias.repeat(shape[0])
        output = torch.empty_like(x)
        for rows, out, *one in zip(samples, _rows(output, is_batch), scale.float(), shift.float()):
            for block, part in _blocks(rows, out):
                torch.addcmul(one[1], block.float(), one[0], out=part)
        ctx.shape, ctx.is_batch = shape, is_batch
        mean, inverse, var = mean.float(), (var + eps).rsqrt().float(), var.float()
        ctx.save_for_backward(x, weight, mean, inverse)
        ctx.mark_non_differentiable(mean, var)
        return output, mean, var

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, inverse = ctx.saved_tensors
        samples, tops = _rows(x, ctx.is_batch), _rows(grad, ctx.is_batch)
        sums = torch.stack([gradient_sums(*one) for one in zip(samples, tops, mean, inverse)], 1)
        to_x = to_weight = to_bias = None
        if ctx.needs_input_grad[0]:
            factor = 1.0 if weight is None else weight.repeat(ctx.shape[0])
            # In each group, the gradient loses its mean and what it shares with the output.
            by_value, by_one = _mean_of_groups(sums * factor / samples.shape[1], ctx.shape)
            slope, offset = slope_and_offset(by_value, by_one, mean, inverse)
            to_x, scale = torch.empty_like(x), inverse * factor
            factors = scale, slope, offset
            for one in zip(samples, tops, _rows(to_x, ctx.is_batch), *factors):
                write_gradient(*one)
        by_channel = sums.unflatten(2, (-1, x.shape[1])).sum((1, 2)).float()
        if ctx.needs_input_grad[1]:
            to_weight = by_channel[0]
        if ctx.needs_input_grad[2]:
            to_bias = by_channel[1]
        return to_x, to_weight, to_bias, None, None, None


def _rows(x: Tensor, is_batch: bool) -> Tensor:
    """A channels-last tensor (B, C, ...) as (S, M, W): all statistics of one S are its own.

    Several voxels with few channels make one row: rows are longer, and sums of each column shorter.
    """
    rows = x.movedim(1, -1).contiguous()
    samples = rows.flatten(0, -2)[None] if is_batch else rows.flatten(1, -2)
    voxels = math.gcd(samples.shape[1], max(1, _WIDTH // x.shape[1]))
    return samples.unflatten(1, (-1, voxels)).flatten(2)


def _blocks(*rows: Tensor) -> Iterator[tuple[Tensor, ...]]:
    return zip(*(one.split(_BLOCK_ROWS) for one in rows))


def _statistics(samples: Tensor, shape: tuple[int, int, int]) -> tuple[Tensor, Tensor]:
    """Mean and biased variance of the group of each column, (S, W) float64."""
    column_mean, column_var = torch.stack([_mean_and_var(rows) for rows in samples], 1)
    mean = _mean_of_groups(column_mean, shape)
    return mean, _mean_of_groups(column_var + (column_mean - mean).square(), shape)


def _mean_and_var(rows: Tensor) -> Tensor:
    """Mean and biased variance of each column, (2, W) float64, from those of blocks of rows."""
    blocks = rows.split(_BLOCK_ROWS)
    found = [
        torch.stack(torch.batch_norm_update_stats(block.float(), None, None, 0.0))
        for block in blocks
    ]
    means, variances = torch.stack(found, 1).double()  # (blocks, W) each
    shares = means.new_tensor([len(one) / len(rows) for one in blocks])
    mean = shares @ means
    return torch.stack([mean, shares @ (variances + (means - mean).square())])


def gradient_sums(rows: Tensor, grad: Tensor, mean: Tensor, inverse: Tensor) -> Tensor:
    """Sums of gradient times normalised value, and of the gradient, (2, W) float64.

    Args:
        rows: (M, W).
        grad: (M, W), of the normalised values.
        mean: (W,) float32.
        inverse: (W,) float32, of the standard deviation.
    """
    wanted = [False, True, True]
    found = []
    for block, top in _blocks(rows, grad):
        _, *sums = torch.ops.aten.native_batch_norm_backward(
            top, block, None, None, None, mean, inverse, True, 0.0, wanted
        )
        found += sums
    return torch.stack(found).unflatten(0, (-1, 2)).sum(0, dtype=torch.float64)


def slope_and_offset(
    by_value: Tensor, by_one: Tensor, mean: Tensor, inverse: Tensor
) -> tuple[Tensor, Tensor]:
    """Those of :func:`write_gradient`, float32.

    Args:
        by_value: Mean of the first sum of :func:`gradient_sums`, times the weight.
        by_one: The same of the second sum.
        mean: Of the values.
        inverse: Of their standard deviation.
    """
    slope = -by_value * inverse.square()
    return slope.float(), (-by_one * inverse - slope * mean).float()


def write_gradient(
    rows: Tensor, grad: Tensor, output: Tensor, scale: Tensor, slope: Tensor, offset: Tensor
) -> None:
    """``grad * scale + rows * slope + offset`` into ``output``, which may be ``grad`` itself.

    Args:
        rows: (M, W).
        grad: (M, W).
        output: (M, W).
        scale: (W,) float32, as ``slope`` and ``offset``.
        slope: See above.
        offset: See above.
    """
    for block, top, out in _blocks(rows, grad, output):
        shift = torch.addcmul(offset, block.float(), slope)
        torch.addcmul(shift, top.float(), scale, out=out)


def _mean_of_groups(values: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Each value (..., W) replaced by the mean of its group."""
    groups = values.unflatten(-1, shape)
    return groups.mean((-3, -1), keepdim=True).expand_as(groups).flatten(-3)
