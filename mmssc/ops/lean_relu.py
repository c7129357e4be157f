"""ReLU that keeps signs instead of values for the backward pass."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from mmssc.geometry.tracing import has_values

__all__ = ['lean_relu']


def lean_relu(x: Tensor) -> Tensor:
    """``F.relu(x, inplace=True)`` that stores one byte an element for the gradient.

    PyTorch stores the result, four bytes an element. That costs nothing if the next operation
    stores it, too, as a convolution does; it is a waste before sums, means and dropout. Values and
    gradients are equal to the last bit.

    Args:
        x: Any shape; it is overwritten.
    """
    if not torch.is_grad_enabled() or torch.jit.is_tracing() or not has_values():
        return F.relu(x, inplace=True)
    return _LeanReLU.apply(x)


class _LeanReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        x.relu_()
        ctx.mark_dirty(x)
        ctx.save_for_backward(~(x <= 0))  # NaN passes, as in PyTorch's gradient
        return x

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (passes,) = ctx.saved_tensors
        # torch.where() and masked_fill() of a mask take five times as long on a CPU. The result
        # replaces the mask, so there is one new volume only.
        passed = passes.to(grad.dtype)
        return torch.ops.aten.threshold_backward.grad_input(grad, passed, 0, grad_input=passed)
