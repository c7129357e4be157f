"""Models that train in several steps per iteration, such as a generator and a discriminator."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

__all__ = ['StepModel', 'StepModules', 'frozen']


class StepModules(nn.Module):
    """The modules that learn in one step, and the losses of that step.

    A view of a model: it shares the modules. A gradient reducer that wraps it and an optimiser that
    asks for its parameters see those of this step only.

    Args:
        parts: Name in the model -> module.
        losses: Function that returns named losses; no parameter outside of ``parts`` gets a
            gradient from them.
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


@runtime_checkable
class StepModel(Protocol):
    """A model that trains in several steps per iteration."""

    def step_modules(self) -> Mapping[str, nn.Module]:
        """Name of a step -> what learns in it, see :class:`StepModules`."""

    def train_step(
        self, data: Any, optim_wrapper: Any, step_modules: Mapping[str, nn.Module] | None = None
    ) -> dict[str, Tensor]:
        """One iteration; ``step_modules``: those of the model, wrapped or not."""


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Context in which the module passes gradients to its inputs but not to its parameters.

    The mode of the module does not change: batch normalisation still collects statistics.
    """
    learning = [parameter for parameter in module.parameters() if parameter.requires_grad]
    for parameter in learning:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in learning:
            parameter.requires_grad_(True)
