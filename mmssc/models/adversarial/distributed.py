"""Distributed training of models with several steps per iteration."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from mmengine.model import MMDistributedDataParallel, MMSeparateDistributedDataParallel
from mmengine.optim import OptimWrapperDict
from torch import Tensor, nn

from mmssc.errors import DataError
from mmssc.registry import MODEL_WRAPPERS

from .step_modules import StepModel

__all__ = ['AdversarialDistributedDataParallel']


@MODEL_WRAPPERS.register_module()
class AdversarialDistributedDataParallel(MMSeparateDistributedDataParallel):
    """One gradient reducer for each step of a model (see :class:`StepModules`).

    One reducer for the whole model would wait in each step for gradients of modules that do not
    learn in that step; a search for unused parameters costs time in every pass. mmengine's
    ``MMSeparateDistributedDataParallel`` wraps every child, so that the model can call only
    ``forward`` of a child. Here the model is not wrapped inside.

    Args:
        module: Model with a method ``step_modules()`` and a ``train_step`` that takes its result.
        broadcast_buffers: Copy the buffers of the first process to the others in each pass.
        find_unused_parameters: As of ``DistributedDataParallel``.
        kwargs: Further arguments of ``MMDistributedDataParallel``, e.g. ``device_ids``.
    """

    def __init__(
        self,
        module: nn.Module,
        broadcast_buffers: bool = False,
        find_unused_parameters: bool = False,
        **kwargs: Any,
    ) -> None:
        if not isinstance(module, StepModel):
            expected = 'a model with methods step_modules and train_step'
            raise DataError('config', 'model_wrapper_cfg', expected, type(module).__name__)
        # Without the reducer of the parent class: the reducers are those of the steps.
        nn.Module.__init__(self)
        self.module = module
        self.step_modules = {
            name: MMDistributedDataParallel(
                modules,
                broadcast_buffers=broadcast_buffers,
                find_unused_parameters=find_unused_parameters,
                **kwargs,
            )
            for name, modules in module.step_modules().items()
        }

    def train_step(
        self, data: dict[str, Any], optim_wrapper: OptimWrapperDict
    ) -> dict[str, Tensor]:
        """:meth:`train_step` of the model, with reduced gradients."""
        assert isinstance(self.module, StepModel)
        return self.module.train_step(data, optim_wrapper, step_modules=self.step_modules)

    @contextmanager
    def no_sync(self) -> Iterator[None]:
        """Gradients stay in this process."""
        with ExitStack() as stack:
            for modules in self.step_modules.values():
                stack.enter_context(modules.no_sync())
            yield
