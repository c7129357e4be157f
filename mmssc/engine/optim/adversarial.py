"""One optimiser for each step of a model, such as those of a generator and a discriminator."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapperDict, build_optim_wrapper
from torch import nn
from torch.optim import Optimizer

from mmssc.errors import DataError
from mmssc.models.adversarial.step_modules import StepModel
from mmssc.registry import OPTIM_WRAPPER_CONSTRUCTORS
from mmssc.renamed import rename_arguments

__all__ = ['AdversarialOptimWrapperConstructor', 'AdversarialOptimWrapperDict']

_OLD_NAMES = {'decay_opponent': 'decay_all_weights'}


class AdversarialOptimWrapperDict(OptimWrapperDict):
    """mmengine's container, which also sets up gradient accumulation in its wrappers."""

    @property
    def _accumulative_counts(self) -> int:
        # EpochSeedHook reads this from any wrapper: iterations until no gradient is pending.
        return math.lcm(*(wrapper._accumulative_counts for wrapper in self.values()))

    def initialize_count_status(self, model: nn.Module, cur_iter: int, max_iters: int) -> None:
        """Set the iteration of every wrapper, so that a resumed run accumulates in step."""
        for wrapper in self.values():
            wrapper.initialize_count_status(model, cur_iter, max_iters)


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class AdversarialOptimWrapperConstructor:
    """Builds one optimiser wrapper for each step of a model (``model.step_modules()``).

    The parameter groups are disjoint: every wrapper clips, scales and updates the modules of its
    step.

    Args:
        optim_wrapper_cfg: Name of the step (``generator``, ``discriminator``) -> config of its
            wrapper, as for a single optimiser (``optimizer``, ``clip_grad``,
            ``accumulative_counts``, ``paramwise_cfg``, ...); and ``decay_all_weights`` (default
            False): every optimiser also shrinks the weights of the other steps by its learning rate
            times its weight decay, if these have weight decay. The authors' code of AMMNet did this
            with the PyTorch of its time: both optimisers held all parameters and also decayed those
            with a zero gradient.
        paramwise_cfg: Default for wrappers without their own.
    """

    def __init__(
        self, optim_wrapper_cfg: Mapping[str, Any], paramwise_cfg: dict[str, Any] | None = None
    ) -> None:
        self.configs = rename_arguments(optim_wrapper_cfg, 'optim_wrapper', _OLD_NAMES)
        self.decay_all_weights = self.configs.pop('decay_all_weights', False)
        self.paramwise_cfg = paramwise_cfg

    def __call__(self, model: nn.Module) -> AdversarialOptimWrapperDict:
        """Build the wrappers.

        Args:
            model: The model, wrapped or not.

        Raises:
            DataError: The model has no steps, or the config names others.
        """
        inner = model.get_submodule('module') if is_model_wrapper(model) else model
        if not isinstance(inner, StepModel):
            expected = 'a model with several steps (methods step_modules and train_step)'
            raise DataError('config', 'model', expected, type(inner).__name__)
        steps = inner.step_modules()
        if self.configs.keys() != steps.keys():
            raise DataError(
                'config', 'optim_wrapper', f'one entry each for {", ".join(steps)}',
                ', '.join(self.configs),
            )  # fmt: skip
        wrappers = {}
        for name, modules in steps.items():
            config = {'paramwise_cfg': self.paramwise_cfg, **self.configs[name]}
            wrappers[name] = build_optim_wrapper(modules, config)
            wrappers[name].grad_name = f'grad_norm_{name}'
        if self.decay_all_weights:
            _decay_all_weights({name: wrapper.optimizer for name, wrapper in wrappers.items()})
        return AdversarialOptimWrapperDict(**wrappers)


def _decay_all_weights(optimizers: Mapping[str, Optimizer]) -> None:
    decaying = {
        name: [
            parameter
            for group in optimizer.param_groups
            if group['weight_decay']
            for parameter in group['params']
            if parameter.requires_grad
        ]
        for name, optimizer in optimizers.items()
    }
    for name, optimizer in optimizers.items():
        others = [p for other, decay in decaying.items() if other != name for p in decay]
        optimizer.register_step_post_hook(partial(_shrink, parameters=others))


@torch.no_grad()
def _shrink(
    optimizer: Optimizer, args: Any, kwargs: Any, *, parameters: list[nn.Parameter]
) -> None:
    factor = 1 - optimizer.param_groups[0]['lr'] * optimizer.defaults['weight_decay']
    for parameter in parameters:
        parameter.mul_(factor)
