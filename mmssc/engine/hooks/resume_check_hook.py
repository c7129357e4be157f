"""A hook that checks what a resumed training takes from its checkpoint."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mmengine.hooks import CheckpointHook, Hook
from mmengine.logging import HistoryBuffer
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner import EpochBasedTrainLoop, Runner, find_latest_checkpoint
from torch import Tensor, optim

from mmssc.checkpoints import check_weights
from mmssc.engine.hooks.checkpoint_match_hook import weights_and_model
from mmssc.engine.resumed_settings import (
    correct_iteration,
    overruled_settings,
    settings_of_config,
)
from mmssc.engine.resumed_values import (
    checked_value,
    does_not_fit,
    is_list_of_integers,
    is_number,
    kind_of,
)
from mmssc.engine.resuming import checkpoint_folder
from mmssc.engine.schedule_lengths import how_to_train_longer
from mmssc.errors import DataError
from mmssc.registry import HOOKS

__all__ = ['ResumeCheckHook']

# Settings that choose the compiled code of an optimiser. Only the config may choose them.
_IMPLEMENTATION = ('fused', 'foreach', 'capturable', 'differentiable')
# Part of a checkpoint -> its name in messages.
_PARTS = dict(
    meta='progress (epoch and iteration)', message_hub='log of the training',
    optimizer='optimiser',
)  # fmt: skip
# mmengine compares every name in the log with all others; a training has a few dozen names.
_MAX_LOG_ENTRIES = 10_000
_MAX_STATE_ENTRIES = 20
# State entries with one number.
_NUMBERS = ('step', 'mu_product', 'eta', 'mu')
# Optimisers whose other state entries have the shape of the parameter -> the entries they need.
_ELEMENTWISE: dict[type[optim.Optimizer], set[str]] = {
    optim.SGD: set(),
    optim.Adam: {'step', 'exp_avg', 'exp_avg_sq'},
    optim.AdamW: {'step', 'exp_avg', 'exp_avg_sq'},
    optim.NAdam: {'step', 'exp_avg', 'exp_avg_sq', 'mu_product'},
    optim.RAdam: {'step', 'exp_avg', 'exp_avg_sq'},
    optim.Adamax: {'step', 'exp_avg', 'exp_inf'},
    optim.Adagrad: {'step', 'sum'},
    optim.Adadelta: {'step', 'square_avg', 'acc_delta'},
    optim.RMSprop: {'step', 'square_avg'},
    optim.Rprop: {'step', 'prev', 'step_size'},
    optim.ASGD: {'step', 'eta', 'mu', 'ax'},
}
# Entries of some settings of these optimisers.
_OPTIONAL_ENTRIES = {'momentum_buffer', 'max_exp_avg_sq', 'grad_avg'}


@HOOKS.register_module()
class ResumeCheckHook(Hook):
    """Checks a checkpoint before a training resumes from it.

    mmengine does not check: it deletes the files that the checkpoint names as its own, starts at
    any iteration, and takes from the checkpoint which compiled code the optimiser runs and which
    setting a schedule changes. torch's fused optimisers do not compare the sizes of state and
    parameter. They would write past the end of a state that is too small. ``tools/train.py`` adds
    this hook to every training.

    The settings of optimisers and schedules are those of the checkpoint, as in mmengine. The hook
    warns about each one that differs from the config.

    Args:
        settings: ``'config'``: take the settings of optimisers and schedules from the config, as if
            the training had used it from the start.
    """

    priority = 'VERY_HIGH'

    def __init__(self, settings: str = 'checkpoint') -> None:
        if settings not in ('checkpoint', 'config'):
            raise DataError('ResumeCheckHook', 'settings', "'checkpoint' or 'config'", settings)
        self.settings = settings

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Check the parts of the checkpoint. Remove what only the config may decide.

        Raises:
            DataError: A part is missing, has the wrong type, or belongs to another training.
        """
        if not runner._resume:
            return
        file = str(runner._load_from or find_latest_checkpoint(runner.work_dir))
        keep_config = self.settings == 'config'
        for part in ('meta', 'message_hub', *({'optimizer'} & checkpoint.keys())):
            if not isinstance(checkpoint.get(part), dict):
                found = kind_of(checkpoint.get(part))
                raise does_not_fit(file, _PARTS[part], 'the state of a training', found)
        _check_progress(runner, checkpoint['meta'], file)
        _check_model(runner, checkpoint, file)
        _check_message_hub(runner, checkpoint, file)
        lines = [correct_iteration(runner, checkpoint)]
        if keep_config:
            settings_of_config(runner, checkpoint)
        for name, own, saved in _pairs_of_optimizers(runner, checkpoint, file):
            _check_optimizer(own, saved, file, name, keep_config)
        if 'param_schedulers' in checkpoint and runner.param_schedulers is not None:
            for own, saved in _pairs_of_schedules(runner, checkpoint['param_schedulers'], file):
                _check_schedule(own, saved, file)
        # Only now: a file that is refused needs no warning.
        _warn_of_missing_parts(runner, checkpoint, file, keep_config)
        lines += overruled_settings(runner, checkpoint)
        for line in filter(None, lines):
            runner.logger.warning(line)
        if any(lines) and not keep_config:
            runner.logger.warning(
                '--resume: to use the config instead, add --resume-settings config'
            )


def _warn_of_missing_parts(
    runner: Runner, checkpoint: dict[str, Any], file: str, keep_config: bool
) -> None:
    """Warn about missing states: mmengine continues without them, at another learning rate."""
    if 'optimizer' not in checkpoint:
        runner.logger.warning(f'{file} has no optimiser state: the optimiser starts from scratch')
    if 'param_schedulers' not in checkpoint and runner.param_schedulers and not keep_config:
        runner.logger.warning(
            f'{file} has no state of the schedules: they start from the beginning'
        )


def _check_model(runner: Runner, checkpoint: dict[str, Any], file: str) -> None:
    """Refuse weights of another model; mmengine would leave some at random."""
    state, model = weights_and_model(runner, checkpoint)
    try:
        check_weights(state, model, file)
    except DataError as error:
        raise does_not_fit(file, str(error.field), error.expected, error.found) from error


def _check_progress(runner: Runner, meta: dict[str, Any], file: str) -> None:
    """Refuse an epoch or iteration beyond the end of this training."""
    by_epoch = isinstance(runner.train_loop, EpochBasedTrainLoop)
    unit, end = ('epoch', runner.max_epochs) if by_epoch else ('iter', runner.max_iters)
    for name in ('epoch', 'iter'):
        value = meta.get(name)
        if type(value) is not int:
            raise does_not_fit(file, f'meta, {name}', 'a number', kind_of(value))
        if not 0 <= value < 2**40:
            raise does_not_fit(file, f'meta, {name}', 'a number from 0 to 2**40 - 1', value)
    if meta[unit] > end:
        raise DataError(
            file, f'meta, {unit}', f'at most {end}, where this training ends', meta[unit],
            how_to_train_longer(runner, unit),
        )  # fmt: skip
    seed = meta.get('seed')
    if not (seed is None or (type(seed) is int and 0 <= seed < 2**32)):
        raise does_not_fit(file, 'meta, seed', 'a number from 0 to 2**32 - 1', f'{seed!r:.40}')


def _check_message_hub(runner: Runner, checkpoint: dict[str, Any], file: str) -> None:
    """Refuse a log that is not made of dicts, or that lists files of another run to delete."""
    hub, log = checkpoint['message_hub'], _PARTS['message_hub']
    for name in ('log_scalars', 'runtime_info', 'resumed_keys'):
        part = hub.get(name)
        if not isinstance(part, dict):
            raise does_not_fit(file, f'{log}, {name}', 'a dict', kind_of(part))
        if not all(isinstance(key, str) for key in part):
            raise does_not_fit(file, f'{log}, {name}', 'text as keys', 'other keys')
        if len(part) > _MAX_LOG_ENTRIES:
            raise does_not_fit(
                file, f'{log}, {name}', f'at most {_MAX_LOG_ENTRIES} entries', len(part)
            )
    information = hub['runtime_info']
    folder = _checkpoint_folder(runner)
    is_own = os.path.dirname(os.path.realpath(file)) == os.path.realpath(folder)
    for name, value in list(information.items()):
        if name.startswith('best_ckpt'):
            best = folder / Path(value).name if is_own and isinstance(value, str) else None
            if best is not None and best.name.startswith('best_') and os.path.isfile(best):
                information[name] = str(best)
            else:
                del information[name]
        elif name.startswith('best_score') and not is_number(value):
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
            return checkpoint_folder(runner.work_dir, hook.out_dir)
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
        raise does_not_fit(file, 'optimizer', f'optimisers {names}', found)
    for name, one in wrapper.items():
        yield f'optimizer, {name}', one, saved[name]


def _check_optimizer(
    wrapper: OptimWrapper, saved: Any, file: str, field: str, keep_config: bool
) -> None:
    if not isinstance(saved, dict):
        raise does_not_fit(file, field, 'the state of an optimiser', kind_of(saved))
    groups, optimizer = saved.get('param_groups'), wrapper.optimizer
    if not isinstance(groups, list) or not all(isinstance(group, dict) for group in groups):
        raise does_not_fit(file, f'{field}, param_groups', 'a list of dicts', kind_of(groups))
    # The saved groups name their parameters by number.
    expected = [group['params'] for group in optimizer.state_dict()['param_groups']]
    found = [group.get('params') for group in groups]
    if not all(is_list_of_integers(numbers) for numbers in found) or found != expected:
        raise does_not_fit(
            file, f'{field}, param_groups', f'groups of {list(map(len, expected))} parameters',
            f'{len(groups)} groups, with other parameters',
        )  # fmt: skip
    for group, own in zip(groups, optimizer.param_groups):
        if keep_config:
            group.update({**own, 'params': group['params']})
        _check_settings(group, own, file, f'{field}, param_groups')
    base = saved.pop('base_param_settings', None)
    if keep_config and isinstance(wrapper.base_param_settings, dict):
        base = {**wrapper.base_param_settings}
    if isinstance(base, dict) and wrapper.base_param_settings is not None:
        _check_settings(base, wrapper.base_param_settings, file, f'{field}, base_param_settings')
        saved['base_param_settings'] = base
    scaler = saved.get('loss_scaler', {})
    if not isinstance(scaler, dict) or not all(map(is_number, scaler.values())):
        raise does_not_fit(file, f'{field}, loss_scaler', 'numbers', 'something else')
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
            group[name] = checked_value(group[name], value, file, f'{field}, {name}')
    if isinstance(own['params'], Tensor):  # mmengine's base settings stand for no parameter.
        group['params'] = own['params']


def _check_states(wrapper: OptimWrapper, states: Any, file: str, field: str) -> None:
    optimizer = wrapper.optimizer
    parameters = [one for group in optimizer.param_groups for one in group['params']]
    kinds = (kind for kind in _ELEMENTWISE if isinstance(optimizer, kind))
    needed = next((_ELEMENTWISE[kind] for kind in kinds), None)
    if not isinstance(states, dict):
        raise does_not_fit(file, f'{field}, state', 'a dict', kind_of(states))
    for number, state in states.items():
        if type(number) is not int or number not in range(len(parameters)):
            last = len(parameters) - 1
            raise does_not_fit(
                file, f'{field}, state', f'numbers from 0 to {last}', f'{number!r:.40}'
            )
        if not isinstance(state, dict):
            raise does_not_fit(file, f'{field}, state {number}', 'a dict', kind_of(state))
        if needed is not None:
            _check_shapes(state, parameters[number], file, f'{field}, state {number}')
            if not needed <= state.keys() <= needed | _OPTIONAL_ENTRIES:
                raise does_not_fit(
                    file, f'{field}, state {number}',
                    f'the state of {type(optimizer).__name__} ({_names(needed)})', _names(state),
                )  # fmt: skip


def _check_shapes(state: dict[str, Any], parameter: Tensor, file: str, field: str) -> None:
    if len(state) > _MAX_STATE_ENTRIES:
        raise does_not_fit(file, field, f'at most {_MAX_STATE_ENTRIES} entries', len(state))
    for name, value in state.items():
        is_number = name in _NUMBERS
        if value is None or (is_number and isinstance(value, (int, float))):
            continue
        expected = '1 element' if is_number else f'shape {tuple(parameter.shape)}'
        if not isinstance(value, Tensor):
            raise does_not_fit(file, f'{field}, {name}', expected, kind_of(value))
        if value.numel() != 1 if is_number else value.shape != parameter.shape:
            found = f'shape {tuple(value.shape)}'
            raise does_not_fit(file, f'{field}, {name}', expected, found)
        if not (value.is_floating_point() or value.is_complex()):
            raise does_not_fit(file, f'{field}, {name}', 'floating-point numbers', value.dtype)


def _pairs_of_schedules(
    runner: Runner, saved: Any, file: str
) -> Iterator[tuple[Any, dict[str, Any]]]:
    own = runner.param_schedulers
    if not isinstance(own, dict):
        own, saved = {'': own}, {'': saved}
    for name, schedules in own.items():
        entries = saved.get(name) if isinstance(saved, dict) else None
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise does_not_fit(file, 'param_schedulers', 'a list of schedules', kind_of(entries))
        if len(entries) != len(schedules):
            expected = f'{len(schedules)} schedules, as in the config'
            hint = 'To use the schedules of the config, add --resume-settings config'
            raise DataError(file, 'param_schedulers', expected, len(entries), hint)
        yield from zip(schedules, entries)


def _check_schedule(schedule: Any, saved: dict[str, Any], file: str) -> None:
    """Refuse values of other types than in the config's schedule, or for another setting."""
    if saved.get('param_name') != schedule.param_name:
        raise does_not_fit(
            file, 'param_schedulers, param_name', repr(schedule.param_name),
            f'{saved.get("param_name")!r:.40}',
        )  # fmt: skip
    own = vars(schedule)
    for name in list(saved):
        if name not in own or name == 'optimizer' or callable(own[name]):
            del saved[name]
        else:
            saved[name] = checked_value(saved[name], own[name], file, f'param_schedulers, {name}')


def _names(entries: Iterable[Any]) -> str:
    return ', '.join(sorted(map(str, entries)))[:200] or 'nothing'
