"""A hook that checks what a resumed training takes from its checkpoint."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.hooks import CheckpointHook, Hook
from mmengine.logging import HistoryBuffer
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner import EpochBasedTrainLoop, Runner, find_latest_checkpoint
from torch import Tensor, optim

from mmssc.errors import DataError
from mmssc.registry import HOOKS

__all__ = ['ResumeCheckHook']

# Settings that choose the compiled code of an optimiser. Only the config may choose them.
_IMPLEMENTATION = ('fused', 'foreach', 'capturable', 'differentiable')
# mmengine compares every name in the log with all others; a training has a few dozen names.
_MAX_LOG_ENTRIES = 10_000
_MAX_NUMBER = 1e15
_MAX_STATE_ENTRIES = 20
_MAX_REPEATS = 1000  # Of one milestone.
# State entries with one number.
_NUMBERS = ('step', 'mu_product', 'eta', 'mu')
# Optimisers whose other state entries have the shape of the parameter.
_ELEMENTWISE = (
    optim.SGD, optim.Adam, optim.AdamW, optim.NAdam, optim.RAdam, optim.Adamax, optim.Adagrad,
    optim.Adadelta, optim.RMSprop, optim.Rprop, optim.ASGD,
)  # fmt: skip


@HOOKS.register_module()
class ResumeCheckHook(Hook):
    """Checks a checkpoint before a training resumes from it.

    mmengine does not check: it deletes the files that the checkpoint names as its own, starts at
    any iteration, and takes from the checkpoint which compiled code the optimiser runs and which
    setting a schedule changes. torch's fused optimisers do not compare the sizes of state and
    parameter. They would write past the end of a state that is too small. ``tools/train.py`` adds
    this hook to every training.
    """

    priority = 'VERY_HIGH'

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Check the parts of the checkpoint. Remove what only the config may decide.

        Raises:
            DataError: A part is missing, has the wrong type, or belongs to another training.
        """
        if not runner._resume:
            return
        file = str(runner._load_from or find_latest_checkpoint(runner.work_dir))
        _warn_of_missing_parts(runner, checkpoint, file)
        for part in ('meta', 'message_hub', *({'optimizer'} & checkpoint.keys())):
            if not isinstance(checkpoint.get(part), dict):
                found = _kind(checkpoint.get(part))
                raise _does_not_fit(file, part, 'the state of a training', found)
        _check_progress(runner, checkpoint['meta'], file)
        _check_message_hub(runner, checkpoint, file)
        for name, own, saved in _pairs_of_optimizers(runner, checkpoint, file):
            _check_optimizer(own, saved, file, name)
        if 'param_schedulers' in checkpoint and runner.param_schedulers is not None:
            for own, saved in _pairs_of_schedules(runner, checkpoint['param_schedulers'], file):
                _check_schedule(own, saved, file)


def _warn_of_missing_parts(runner: Runner, checkpoint: dict[str, Any], file: str) -> None:
    """Warn about missing states: mmengine continues without them, at another learning rate."""
    if 'optimizer' not in checkpoint:
        runner.logger.warning(f'{file} has no optimiser state: the optimiser starts from scratch')
    if 'param_schedulers' not in checkpoint and runner.param_schedulers:
        runner.logger.warning(
            f'{file} has no state of the schedules: they start from the beginning'
        )


def _does_not_fit(file: str, field: str, expected: Any, found: Any) -> DataError:
    hint = f'To start from its weights alone, give --cfg-options load_from={file} without --resume'
    return DataError(file, field, expected, found, hint)


def _check_progress(runner: Runner, meta: dict[str, Any], file: str) -> None:
    """Refuse an epoch or iteration beyond the end of this training."""
    by_epoch = isinstance(runner.train_loop, EpochBasedTrainLoop)
    unit, end = ('epoch', runner.max_epochs) if by_epoch else ('iter', runner.max_iters)
    for name in ('epoch', 'iter'):
        value = meta.get(name)
        if type(value) is not int:
            raise _does_not_fit(file, f'meta, {name}', 'a number', _kind(value))
        if not 0 <= value < 2**40:
            raise _does_not_fit(file, f'meta, {name}', 'a number from 0 to 2**40 - 1', value)
    if meta[unit] > end:
        raise DataError(
            file, f'meta, {unit}', f'at most {end}, where this training ends', meta[unit],
            f'To train longer, give --cfg-options train_cfg.max_{unit}s=N',
        )  # fmt: skip
    seed = meta.get('seed')
    if not (seed is None or (type(seed) is int and 0 <= seed < 2**32)):
        raise _does_not_fit(file, 'meta, seed', 'a number from 0 to 2**32 - 1', f'{seed!r:.40}')


def _check_message_hub(runner: Runner, checkpoint: dict[str, Any], file: str) -> None:
    """Refuse a log that is not made of dicts, or that lists files of another run to delete."""
    hub = checkpoint['message_hub']
    for name in ('log_scalars', 'runtime_info', 'resumed_keys'):
        part = hub.get(name)
        if not isinstance(part, dict):
            raise _does_not_fit(file, f'message_hub, {name}', 'a dict', _kind(part))
        if not all(isinstance(key, str) for key in part):
            raise _does_not_fit(file, f'message_hub, {name}', 'text as keys', 'other keys')
        if len(part) > _MAX_LOG_ENTRIES:
            raise _does_not_fit(
                file, f'message_hub, {name}', f'at most {_MAX_LOG_ENTRIES} entries', len(part)
            )
    information = hub['runtime_info']
    folder = _checkpoint_folder(runner)
    is_own = Path(file).resolve().parent == folder.resolve()
    for name, value in list(information.items()):
        if name.startswith('best_ckpt'):
            best = folder / Path(value).name if is_own and isinstance(value, str) else None
            if best is not None and best.name.startswith('best_') and os.path.isfile(best):
                information[name] = str(best)
            else:
                del information[name]
        elif name.startswith('best_score') and not _is_number(value):
            del information[name]
    # File names contain epochs or iterations, depending on the config.
    steps = information.pop('keep_ckpt_ids', None)
    newest = max(checkpoint['meta']['epoch'], checkpoint['meta']['iter'])
    if is_own and isinstance(steps, (list, tuple)):
        information['keep_ckpt_ids'] = [
            step for step in steps if type(step) is int and 0 <= step <= newest
        ]
    for name, value in list(hub['log_scalars'].items()):
        if not isinstance(value, HistoryBuffer):
            del hub['log_scalars'][name]
    for name in [*hub['resumed_keys']]:
        if name not in hub['log_scalars'] and name not in information:
            del hub['resumed_keys'][name]


def _checkpoint_folder(runner: Runner) -> Path:
    """The folder that ``CheckpointHook`` writes to."""
    for hook in runner.hooks:
        if isinstance(hook, CheckpointHook) and hook.out_dir not in (None, runner.work_dir):
            return Path(hook.out_dir, Path(runner.work_dir).name)
    return Path(runner.work_dir)


def _pairs_of_optimizers(
    runner: Runner, checkpoint: dict[str, Any], file: str
) -> Iterator[tuple[str, OptimWrapper, Any]]:
    if 'optimizer' not in checkpoint:
        return
    wrapper, saved = runner.optim_wrapper, checkpoint['optimizer']
    if not isinstance(wrapper, OptimWrapperDict):
        yield 'optimizer', wrapper, saved
        return
    if set(saved) != set(wrapper.keys()):
        names = ', '.join(map(repr, wrapper.keys()))
        found = ', '.join(map(repr, saved))[:200]
        raise _does_not_fit(file, 'optimizer', f'optimisers {names}', found)
    for name, one in wrapper.items():
        yield f'optimizer, {name}', one, saved[name]


def _check_optimizer(wrapper: OptimWrapper, saved: Any, file: str, field: str) -> None:
    if not isinstance(saved, dict):
        raise _does_not_fit(file, field, 'the state of an optimiser', _kind(saved))
    groups, optimizer = saved.get('param_groups'), wrapper.optimizer
    if not isinstance(groups, list) or not all(isinstance(group, dict) for group in groups):
        raise _does_not_fit(file, f'{field}, param_groups', 'a list of dicts', _kind(groups))
    # The saved groups name their parameters by number.
    expected = [group['params'] for group in optimizer.state_dict()['param_groups']]
    found = [group.get('params') for group in groups]
    if not all(_is_list_of_integers(numbers) for numbers in found) or found != expected:
        raise _does_not_fit(
            file, f'{field}, param_groups', f'groups of {list(map(len, expected))} parameters',
            f'{len(groups)} groups, with other parameters',
        )  # fmt: skip
    for group, own in zip(groups, optimizer.param_groups):
        _check_settings(group, own, file, f'{field}, param_groups')
    base = saved.pop('base_param_settings', None)
    if isinstance(base, dict) and wrapper.base_param_settings is not None:
        _check_settings(base, wrapper.base_param_settings, file, f'{field}, base_param_settings')
        saved['base_param_settings'] = base
    scaler = saved.get('loss_scaler', {})
    if not isinstance(scaler, dict) or not all(map(_is_number, scaler.values())):
        raise _does_not_fit(file, f'{field}, loss_scaler', 'numbers', 'something else')
    _check_states(wrapper, saved.get('state'), file, field)


def _check_settings(group: dict[str, Any], own: dict[str, Any], file: str, field: str) -> None:
    """Keep the settings that the config's group has, if they have the same type."""
    for name in list(group):
        if name not in own:
            del group[name]
    for name, value in own.items():
        if name in _IMPLEMENTATION or name not in group:
            group[name] = value
        elif name != 'params':
            group[name] = _checked(group[name], value, file, f'{field}, {name}')
    if isinstance(own['params'], Tensor):  # mmengine's base settings stand for no parameter.
        group['params'] = own['params']


def _check_states(wrapper: OptimWrapper, states: Any, file: str, field: str) -> None:
    optimizer = wrapper.optimizer
    parameters = [one for group in optimizer.param_groups for one in group['params']]
    if not isinstance(states, dict):
        raise _does_not_fit(file, f'{field}, state', 'a dict', _kind(states))
    for number, state in states.items():
        if type(number) is not int or number not in range(len(parameters)):
            last = len(parameters) - 1
            raise _does_not_fit(
                file, f'{field}, state', f'numbers from 0 to {last}', f'{number!r:.40}'
            )
        if not isinstance(state, dict):
            raise _does_not_fit(file, f'{field}, state {number}', 'a dict', _kind(state))
        if isinstance(optimizer, _ELEMENTWISE):
            _check_shapes(state, parameters[number], file, f'{field}, state {number}')


def _check_shapes(state: dict[str, Any], parameter: Tensor, file: str, field: str) -> None:
    if len(state) > _MAX_STATE_ENTRIES:
        raise _does_not_fit(file, field, f'at most {_MAX_STATE_ENTRIES} entries', len(state))
    for name, value in state.items():
        is_number = name in _NUMBERS
        if value is None or (is_number and isinstance(value, (int, float))):
            continue
        expected = '1 element' if is_number else f'shape {tuple(parameter.shape)}'
        if not isinstance(value, Tensor):
            raise _does_not_fit(file, f'{field}, {name}', expected, _kind(value))
        if value.numel() != 1 if is_number else value.shape != parameter.shape:
            found = f'shape {tuple(value.shape)}'
            raise _does_not_fit(file, f'{field}, {name}', expected, found)
        if not (value.is_floating_point() or value.is_complex()):
            raise _does_not_fit(file, f'{field}, {name}', 'floating-point numbers', value.dtype)


def _pairs_of_schedules(
    runner: Runner, saved: Any, file: str
) -> Iterator[tuple[Any, dict[str, Any]]]:
    own = runner.param_schedulers
    if not isinstance(own, dict):
        own, saved = {'': own}, {'': saved}
    for name, schedules in own.items():
        entries = saved.get(name) if isinstance(saved, dict) else None
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise _does_not_fit(file, 'param_schedulers', 'a list of schedules', _kind(entries))
        if len(entries) != len(schedules):
            expected = f'{len(schedules)} schedules, as in the config'
            raise _does_not_fit(file, 'param_schedulers', expected, len(entries))
        yield from zip(schedules, entries)


def _check_schedule(schedule: Any, saved: dict[str, Any], file: str) -> None:
    """Refuse values of other types than in the config's schedule, or for another setting."""
    if saved.get('param_name') != schedule.param_name:
        raise _does_not_fit(
            file, 'param_schedulers, param_name', repr(schedule.param_name),
            f'{saved.get("param_name")!r:.40}',
        )  # fmt: skip
    own = vars(schedule)
    for name in list(saved):
        if name not in own or name == 'optimizer' or callable(own[name]):
            del saved[name]
        else:
            saved[name] = _checked(saved[name], own[name], file, f'param_schedulers, {name}')


def _checked(saved: Any, own: Any, file: str, field: str) -> Any:
    """Return the saved value if it has the type and length of the value in the config.

    A schedule computes with these values: a tensor, text, or a number of many digits instead of a
    number could take any amount of time and memory.

    Raises:
        DataError: The value has another type or length, or a number is too large.
    """
    same_type = type(saved) is type(own)
    if own is None or (isinstance(own, (int, float)) and not isinstance(own, bool)):
        # A metric can be a number from NumPy or torch.
        if isinstance(saved, np.generic) or (isinstance(saved, Tensor) and saved.numel() == 1):
            saved = saved.item()
        if _is_number(saved):
            return float(saved) if isinstance(own, float) else saved
        if own is None and saved is None:
            return None
    elif isinstance(own, Counter):
        # Milestones, which the config may change.
        if same_type and all(_is_count(value) for value in saved.values()):
            return saved
    elif isinstance(own, (list, tuple)):
        if same_type and len(saved) == len(own):
            return type(own)(_checked(*pair, file, field) for pair in zip(saved, own))
    elif isinstance(own, dict):
        if isinstance(saved, dict) and saved.keys() == own.keys():
            return {name: _checked(saved[name], own[name], file, field) for name in own}
    elif isinstance(own, Tensor):
        if isinstance(saved, Tensor) and saved.shape == own.shape:
            return saved
    elif same_type:
        return saved
    raise _does_not_fit(file, field, f'something like {own!r:.40}', _kind(saved))


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 < value <= _MAX_REPEATS


def _is_number(value: Any) -> bool:
    if not isinstance(value, (int, float)):
        return False
    return abs(value) < _MAX_NUMBER or not math.isfinite(value)


def _is_list_of_integers(value: Any) -> bool:
    return isinstance(value, list) and all(type(one) is int for one in value)


def _kind(value: Any) -> str:
    return 'none' if value is None else f'a value of type {type(value).__name__}'
