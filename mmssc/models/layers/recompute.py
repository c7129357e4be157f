"""Recomputation in the backward pass that updates batch statistics only once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

__all__ = ['recompute_in_backward']


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
