"""Say which entries of ``custom_keys`` change the settings of no parameter."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn

from mmssc.errors import nearest_name
from mmssc.models.adversarial.step_modules import StepModel
from mmssc.registry import HOOKS

from .checkpoint_match_hook import unwrap_model

__all__ = ['CustomKeysHook']

# Their keys are parts of names; a constructor of a project may read patterns.
_PLAIN_CONSTRUCTORS = (
    None,
    'DefaultOptimWrapperConstructor',
    'AdversarialOptimWrapperConstructor',
)


@HOOKS.register_module()
class CustomKeysHook(Hook):
    """Warns about keys of ``paramwise_cfg.custom_keys`` that match no parameter of the model.

    mmengine ignores such a key: a misspelt part of the model learns with the learning rate of all
    others. ``tools/train.py`` adds this hook to every training.
    """

    def before_train(self, runner: Runner) -> None:
        """Compare the keys with the names of the parameters."""
        for line in _unused_keys(runner.cfg, unwrap_model(runner)):
            runner.logger.warning(line)


def _unused_keys(cfg: Mapping[str, Any], model: nn.Module) -> Iterator[str]:
    """One line for each key that matches nothing."""
    wrapper = cfg.get('optim_wrapper') or {}
    plain = wrapper.get('constructor') in _PLAIN_CONSTRUCTORS
    for place, settings, modules in _wrappers(wrapper, model):
        names = [name for one in modules for name, _ in one.named_parameters()]
        for key in (settings.get('paramwise_cfg') or {}).get('custom_keys') or {}:
            if not _matches(str(key), names, plain):
                yield (
                    f'{place}.paramwise_cfg.custom_keys: {key} matches no parameter of the model, '
                    f'so it changes nothing. {_remedy(str(key), names)}'
                )


def _wrappers(
    wrapper: Mapping[str, Any], model: nn.Module
) -> Iterator[tuple[str, Mapping[str, Any], list[nn.Module]]]:
    """Place and settings of each optimiser wrapper, and the modules whose names it sees."""
    steps = model.step_modules() if isinstance(model, StepModel) else {}
    yield 'optim_wrapper', wrapper, [*steps.values()] or [model]
    for name, settings in wrapper.items():
        if isinstance(settings, Mapping) and 'optimizer' in settings:
            yield f'optim_wrapper.{name}', settings, [steps.get(name, model)]


def _matches(key: str, names: Collection[str], plain: bool) -> bool:
    # mmengine puts a dot before the name of a parameter that is in no part.
    if any(key in (name if '.' in name else f'.{name}') for name in names):
        return True
    try:
        return not plain and any(re.search(key, name) for name in names)
    except re.error:
        return False


def _remedy(key: str, names: Collection[str]) -> str:
    """The part of the model that is spelt most like a key, or else all large parts."""
    parts = [name.split('.') for name in names]
    known = {'.'.join(one[:end]) for one in parts for end in range(1, len(one) + 1)}
    near = nearest_name(key.strip('.'), known | {part for one in parts for part in one})
    return near or f'The parts of the model are {", ".join(dict.fromkeys(one[0] for one in parts))}'
