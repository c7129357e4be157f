"""Modulation of one volume by another, in one pass over blocks of voxels on a CPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .autocast import autocast_dtype
from .onednn import linear

__all__ = ['modulate_rows']

# Rows of a block: with some hundred channels its tensors stay in the cache of a core.
_BLOCK = 1024


def modulate_rows(x: Tensor, guide: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """``x * (1 + sigmoid(scale)) + shift``, with ``scale, shift`` a linear map of the guide.

    No volume is stored beside the inputs and the output: the backward pass computes the factors
    again, block by block. It cannot be differentiated a second time.

    Args:
        x: (N, C), what is modulated.
        guide: (N, D).
        weight: (2 C, D): the rows of the scale, then those of the shift.
        bias: (2 C,).

    Returns:
        (N, C), in the type of ``x`` or that of autocast.
    """
    dtype = autocast_dtype(x.device.type) or x.dtype
    inputs = (one.to(dtype) for one in (x, guide, weight, bias))
    with torch.autocast(x.device.type, enabled=False):
        return _Modulation.apply(*inputs)


class _Modulation(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, guide: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, guide, weight, bias)
        output = torch.empty_like(x)
        (to_scale, to_shift), (scale_bias, shift_bias) = weight.chunk(2), bias.chunk(2)
        for rows, guide_rows, out in zip(*(one.split(_BLOCK) for one in (x, guide, output))):
            factor = linear(guide_rows, to_scale, scale_bias).sigmoid_()
            shift = linear(guide_rows, to_shift, shift_bias)
            torch.add(shift, rows, out=out).addcmul_(rows, factor)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        x, guide, weight, bias = ctx.saved_tensors
        channels = x.shape[1]
        to_x, to_guide = torch.empty_like(x), torch.empty_like(guide)
        wide = torch.promote_types(weight.dtype, torch.float32)
        to_weight, to_bias = (
            torch.zeros_like(weight, dtype=wide),
            torch.zeros_like(bias, dtype=wide),
        )
        both = grad.new_empty(min(_BLOCK, len(x)), 2 * channels)
        parts = (one.split(_BLOCK) for one in (grad, x, guide, to_x, to_guide))
        for top, rows, guide_rows, x_out, guide_out in zip(*parts):
            factor = linear(guide_rows, weight[:channels], bias[:channels]).sigmoid_()
            torch.addcmul(top, top, factor, out=x_out)
            block = both[: len(top)]
            # Gradients of scale and shift, next to each other as in the weight.
            block[:, :channels] = torch.ops.aten.sigmoid_backward(top * rows, factor)
            block[:, channels:] = top
            guide_out.copy_(linear(block, weight.t()))
            to_weight += linear(block.t(), guide_rows.t())
            to_bias += block.sum(0, dtype=wide)
        return to_x, to_guide, to_weight.to(weight.dtype), to_bias.to(bias.dtype)
