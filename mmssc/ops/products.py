"""Products of matrices on the CPU through oneDNN.

On one thread PyTorch computes them in float32 with MKL, which reaches less than half of oneDNN's
speed on AMD processors.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from .autocast import autocast_dtype

__all__ = ['linear', 'matmul']

_AVAILABLE = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, '_linear_pointwise')
# Below this number of multiply-adds the call costs more than the product.
_MIN_PRODUCTS = 1 << 20


def linear(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, gradients_only: bool = False
) -> Tensor:
    """``F.linear``, by oneDNN where it is faster.

    Args:
        x: (..., in).
        weight: (out, in).
        bias: (out,).
        gradients_only: Leave the output to PyTorch, so that its rounding stays the same.

    Returns:
        (..., out).
    """
    if not _is_faster(x, weight):
        return F.linear(x, weight, bias)
    if torch.is_grad_enabled():
        return _Linear.apply(x, weight, bias, gradients_only)
    return F.linear(x, weight, bias) if gradients_only else _multiply(x, weight, bias)


def matmul(a: Tensor, b: Tensor) -> Tensor:
    """``a @ b`` of two matrices, without a gradient, by oneDNN where it is faster."""
    return _multiply(a, b.t(), None) if _is_faster(a, b.t()) else a @ b


def _is_faster(x: Tensor, weight: Tensor) -> bool:
    return (
        _AVAILABLE
        and bool(torch.backends.mkldnn.enabled)
        and x.device.type == 'cpu'
        and x.dtype == weight.dtype == torch.float32
        and x.numel() * weight.shape[0] >= _MIN_PRODUCTS
        and autocast_dtype('cpu') is None
        # Tools that count or export operations know the plain one only.
        and not torch.jit.is_tracing()
    )


def _multiply(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    rows = _plain(x.reshape(-1, x.shape[-1]))
    if bias is not None:
        bias = bias.contiguous()  # oneDNN reads another one wrongly
    output = torch.ops.mkldnn._linear_pointwise(rows, _plain(weight), bias, 'none', [], '')
    return output if x.dim() == 2 else output.view(*x.shape[:-1], -1)


def _plain(matrix: Tensor) -> Tensor:
    """A matrix without gaps between rows or columns: oneDNN is very slow on others."""
    if matrix.is_contiguous() or matrix.t().is_contiguous():
        return matrix
    return matrix.contiguous()


class _Context(FunctionCtx):
    """What the forward pass of :class:`_Linear` leaves to the backward pass."""

    saved_tensors: tuple[Tensor, Tensor]
    needs_input_grad: tuple[bool, bool, bool, bool]


class _Linear(torch.autograd.Function):
    """``x @ weight.T + bias``, and its gradients, by oneDNN."""

    @staticmethod
    def forward(
        ctx: _Context, x: Tensor, weight: Tensor, bias: Tensor | None, gradients_only: bool
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        product = F.linear if gradients_only else _multiply
        output = product(x.reshape(-1, x.shape[-1]), weight, bias)
        # Not a view, which nobody may change in place: a ReLU may follow.
        return torch.ops.aten._unsafe_view(output, (*x.shape[:-1], len(weight)))

    @staticmethod
    @once_differentiable
    def backward(ctx: _Context, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        rows = grad.reshape(-1, grad.shape[-1])
        to_x, to_weight, to_bias, _ = ctx.needs_input_grad
        return (
            _multiply(grad, weight.t(), None) if to_x else None,
            _multiply(rows.t(), x.reshape(-1, x.shape[-1]).t(), None) if to_weight else None,
            rows.sum(0) if to_bias else None,
            None,
        )
