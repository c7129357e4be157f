"""Recomputation in the backward pass that updates batch statistics only once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from mmssc.ops.cube_conv import CubeConv3d

__all__ = ['recompute_before_conv', 'recompute_in_backward']


def recompute_in_backward(
    module: nn.Module, *args: Any, function: Callable[..., Any] | None = None
) -> Any:
    """Run ``module(*args)``; recompute its inner tensors in the backward pass, do not store them.

    Values, gradients and running statistics of batch normalisation equal those of a plain call;
    dropout draws the same masks again. The cost is one more forward pass of the module, but for an
    operation at its end: a convolution of PyTorch needs its input only and does not run again.

    Args:
        module: Its batch normalisation updates its statistics once only.
        args: Arguments of the module.
        function: What to run instead of the whole module, e.g. one of its methods.
    """
    function = function or module
    if not torch.is_grad_enabled():
        return function(*args)
    return checkpoint(
        function,
        *args,
        use_reentrant=False,
        context_fn=lambda: (nullcontext(), _frozen_statistics(module)),
    )


def recompute_before_conv(
    module: nn.Module, function: Callable[[Tensor], Tensor], conv: CubeConv3d, x: Tensor
) -> Tensor:
    """Run ``conv(function(x))``; only ``x`` is stored, and the convolution does not run again.

    :func:`recompute_in_backward` would repeat it, because it is no operation of PyTorch.

    Args:
        module: Has the parameters of the function. See :func:`recompute_in_backward`.
        function: Draws no random numbers.
        conv: Takes the result of the function, see :meth:`CubeConv3d.is_fast`.
        x: (B, C, X, Y, Z).
    """
    parameters = [one for part in (conv, module) for one in part.parameters()]
    return _BeforeConv.apply(x, module, function, conv, *parameters)


class _BeforeConv(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        module: nn.Module,
        function: Callable[[Tensor], Tensor],
        conv: CubeConv3d,
        *parameters: Tensor,
    ) -> Tensor:
        ctx.save_for_backward(x)
        ctx.parts = module, function, conv
        return conv(function(x))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        module, function, conv = ctx.parts
        x = ctx.saved_tensors[0].detach().requires_grad_(ctx.needs_input_grad[0])
        with torch.enable_grad(), _frozen_statistics(module):
            features = function(x)
        wanted = (features.requires_grad, conv.weight.requires_grad, conv.bias is not None)
        to_features, *to_conv = conv.gradients(grad, features.detach(), wanted)
        inputs = [x, *module.parameters()]
        learning = [one for one in inputs if one.requires_grad]
        # The function may use a part of the module only.
        grads = torch.autograd.grad(features, learning, to_features, allow_unused=True)
        found = iter(grads)
        to_x, *to_module = [next(found) if one.requires_grad else None for one in inputs]
        to_conv = to_conv[: len(list(conv.parameters()))]
        return to_x, None, None, None, *to_conv, *to_module


@contextmanager
def _frozen_statistics(module: nn.Module) -> Iterator[None]:
    """Batch normalisation uses batch statistics and does not update its running statistics."""
    tracking = [part for part in module.modules() if isinstance(part, _BatchNorm)]
    before = [(part, part.momentum, part.num_batches_tracked) for part in tracking]
    for part, _, count in before:
        part.momentum = 0.0
        part.num_batches_tracked = None if count is None else count.clone()
    try:
        yield
    finally:
        for part, momentum, count in before:
            part.momentum, part.num_batches_tracked = momentum, count
