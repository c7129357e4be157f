"""Models whose parts learn in turns, each part against the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

__all__ = ['StepModules', 'frozen']


class StepModules(nn.Module):
    """The modules that learn in one step, and the losses of that step.

    A view of a model: it shares the modules, and whoever wraps it (a gradient reducer) or asks for
    its parameters (an optimiser) sees those of one side alone.

    Args:
        parts: Name in the model -> module.
        losses: Method of the model that returns named losses; no parameter outside of ``parts``
            gets a gradient from them.
    """

    def __init__(
        self, parts: Mapping[str, nn.Module], losses: Callable[..., dict[str, Tensor]]
    ) -> None:
        super().__init__()
        self.parts = nn.ModuleDict(parts)
        self.losses = losses

    def forward(self, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        """Losses of a batch."""
        return self.losses(*args, **kwargs)


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """What the module computes inside gives its inputs a gradient and its parameters none.

    Its mode stays: batch normalisation goes on to collect statistics.
    """
    learning = [parameter for parameter in module.parameters() if parameter.requires_grad]
    for parameter in learning:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in learning:
            parameter.requires_grad_(True)
