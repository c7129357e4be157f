"""One optimiser for each side of a model whose parts learn in turns."""

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
from mmssc.registry import OPTIM_WRAPPER_CONSTRUCTORS

__all__ = ['AdversarialOptimWrapperConstructor', 'AdversarialOptimWrapperDict']


class AdversarialOptimWrapperDict(OptimWrapperDict):
    """mmengine's container, and the counts of gradient accumulation reach what it contains."""

    @property
    def _accumulative_counts(self) -> int:
        # What EpochSeedHook asks any wrapper for: iterations until no gradient is pending.
        return math.lcm(*(wrapper._accumulative_counts for wrapper in self.values()))

    def initialize_count_status(self, model: nn.Module, cur_iter: int, max_iters: int) -> None:
        """Tell every wrapper where the run is, so that a resumed one accumulates in step."""
        for wrapper in self.values():
            wrapper.initialize_count_status(model, cur_iter, max_iters)


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class AdversarialOptimWrapperConstructor:
    """Builds one optimiser wrapper for each player of a model (``model.players()``).

    The parameter groups are disjoint: every wrapper clips, scales and updates one side.

    Args:
        optim_wrapper_cfg: Name of the player -> config of its wrapper, as for a single optimiser
            (``optimizer``, ``clip_grad``, ``accumulative_counts``, ``paramwise_cfg``, ...); and
            ``decay_opponent`` (default False): every step of an optimiser also shrinks the other
            players' weights by its learning rate times its weight decay, where these decay
            themselves. So does the authors' code of AMMNet with the PyTorch of its time, whose
            optimisers both held all parameters and decayed those with a zero gradient, too.
        paramwise_cfg: For players that have none of their own.
    """

    def __init__(
        self, optim_wrapper_cfg: Mapping[str, Any], paramwise_cfg: dict[str, Any] | None = None
    ) -> None:
        self.configs = dict(optim_wrapper_cfg)
        self.decay_opponent = self.configs.pop('decay_opponent', False)
        self.paramwise_cfg = paramwise_cfg

    def __call__(self, model: nn.Module) -> AdversarialOptimWrapperDict:
        """Build the wrappers.

        Args:
            model: The model, wrapped or not.

        Raises:
            DataError: The config names other players than the model.
        """
        players = (model.module if is_model_wrapper(model) else model).players()
        if self.configs.keys() != players.keys():
            raise DataError(
                'config', 'optim_wrapper', f'one entry each for {", ".join(players)}',
                ', '.join(self.configs),
            )  # fmt: skip
        wrappers = {}
        for name, player in players.items():
            config = {'paramwise_cfg': self.paramwise_cfg, **self.configs[name]}
            wrappers[name] = build_optim_wrapper(player, config)
            wrappers[name].grad_name = f'grad_norm_{name}'
        if self.decay_opponent:
            _decay_opponents({name: wrapper.optimizer for name, wrapper in wrappers.items()})
        return AdversarialOptimWrapperDict(**wrappers)


def _decay_opponents(optimizers: Mapping[str, Optimizer]) -> None:
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
