"""Own gradients: of convolutions that a checkpoint does not compute twice; memory orders."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mmssc.geometry.tracing import has_values

from .autocast import computes_float32_on_cpu

__all__ = ['Gradients', 'convolve_with', 'dense_gradient', 'takes_own_gradients']

#: Maps the gradient of the output, the input, the kernel and which gradients are wanted (of input
#: and kernel) to these two gradients, None for one that is not wanted.
Gradients = Callable[[Tensor, Tensor, Tensor, tuple[bool, bool]], tuple['Tensor | None', ...]]


def takes_own_gradients(x: Tensor, weight: Tensor) -> bool:
    """Whether :func:`convolve_with` is possible: training in float32 on a CPU."""
    return (
        torch.is_grad_enabled()
        and (x.requires_grad or weight.requires_grad)
        and computes_float32_on_cpu(x, weight)
    )


def convolve_with(
    gradients: Gradients,
    convolve: Callable[[Tensor, Tensor, Tensor | None], Tensor],
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
) -> Tensor:
    """``convolve(x, weight, bias)`` with the gradients of ``gradients``.

    The input is stored before the convolution runs. So a convolution at the end of a checkpoint is
    not repeated in the backward pass: one that is a whole ``autograd.Function`` would be.

    Args:
        gradients: Gradients of input and kernel; that of the bias is a sum.
        convolve: The convolution.
        x: Input, see :func:`takes_own_gradients`; (B, C, ...).
        weight: Kernel.
        bias: (out_channels,), or None.
    """
    kept = _Keep.apply(x) if x.requires_grad else x
    shift = None if bias is None else bias.detach()
    output = convolve(x.detach(), weight.detach(), shift)
    return _AddGradients.apply(output, kept, weight, bias, kept.grad_fn, gradients)


class _Keep(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad


class _AddGradients(torch.autograd.Function):
    """The output as it is; this stores nothing, so a checkpoint ends before the convolution."""

    @staticmethod
    def forward(
        ctx: Any,
        output: Tensor,
        kept: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        keeper: Any,
        gradients: Gradients,
    ) -> Tensor:
        ctx.weight, ctx.keeper, ctx.gradients = weight, keeper, gradients
        if keeper is None:  # Data have no gradient.
            ctx.save_for_backward(kept)
        ctx.mark_dirty(output)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (x,) = (ctx.keeper or ctx).saved_tensors
        wanted = ctx.needs_input_grad[1:3]
        to_x, to_weight = ctx.gradients(grad, x, ctx.weight.detach(), wanted)
        to_bias = grad.sum((0, *range(2, grad.dim()))) if ctx.needs_input_grad[3] else None
        return None, to_x, to_weight, to_bias, None, None


def dense_gradient(x: Tensor) -> Tensor:
    """``x``, whose gradient gets the memory order of ``x`` without gaps.

    The gradient of a concatenation is a part of a larger tensor. Operations such as interpolation
    take a slow way for it on a CPU, and return the other memory order.

    Args:
        x: Images (B, C, H, W).
    """
    if x.device.type != 'cpu' or not x.requires_grad or torch.jit.is_tracing() or not has_values():
        return x
    return _DenseGradient.apply(x)


class _DenseGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        is_last = x.is_contiguous(memory_format=torch.channels_last)
        ctx.layout = torch.channels_last if is_last else torch.contiguous_format
        return x.view_as(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad.contiguous(memory_format=ctx.layout)
