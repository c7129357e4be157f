"""A hook that checks what a resumed training takes from its checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from mmengine.hooks import CheckpointHook, Hook
from mmengine.optim import OptimWrapperDict
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch import Tensor
from torch.optim import Optimizer

from mmssc.errors import DataError
from mmssc.registry import HOOKS

__all__ = ['ResumeCheckHook']

# Settings of an optimiser that choose its compiled code; the config decides on them.
_IMPLEMENTATION = ('fused', 'foreach', 'capturable', 'differentiable')
# Optimisers whose state has the shape of the parameter, but for these numbers.
_ELEMENTWISE = tuple(
    getattr(torch.optim, name)
    for name in (
        'SGD', 'Adam', 'AdamW', 'NAdam', 'RAdam', 'Adamax', 'Adagrad', 'Adadelta', 'RMSprop',
        'Rprop', 'ASGD',
    )
)  # fmt: skip
_NUMBERS = ('step', 'mu_product', 'eta', 'mu')


@HOOKS.register_module()
class ResumeCheckHook(Hook):
    """Stops a resumed training whose checkpoint does not fit, before anything is taken from it.

    mmengine believes a checkpoint: it deletes the files that the checkpoint calls its own, goes on
    from any iteration, and lets it choose the compiled code of the optimiser and what a schedule
    changes. torch's fused optimisers do not compare the sizes of state and parameter and would
    write beyond a state that is too small. Every training that ``tools/train.py`` starts has this
    hook.
    """

    priority = 'VERY_HIGH'

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Check the parts of the checkpoint, and leave out what only the config decides on.

        Raises:
            DataError: A part is missing, of another kind, or of another training.
        """
        if not runner._resume:
            return
        file = str(runner._load_from or runner.work_dir)
        for part in ('meta', 'message_hub', 'optimizer'):
            if not isinstance(checkpoint.get(part), dict):
                raise _does_not_fit(file, part, 'the state of a training', 'none')
        _check_progress(runner, checkpoint['meta'], file)
        _check_message_hub(runner, checkpoint, file)
        for name, own, saved in _pairs_of_optimizers(runner, checkpoint['optimizer'], file):
            _check_optimizer(own, saved, file, name)
        if checkpoint.get('param_schedulers') is not None and runner.param_schedulers is not None:
            for own, saved in _pairs_of_schedules(runner, checkpoint['param_schedulers'], file):
                _check_schedule(own, saved, file)


def _does_not_fit(file: str, field: str, expected: Any, found: Any) -> DataError:
    hint = f'To start from its weights alone, give --cfg-options load_from={file}, no --resume'
    return DataError(file, field, expected, found, hint)


def _check_progress(runner: Runner, meta: dict[str, Any], file: str) -> None:
    """Epoch and iteration are numbers that this run can have reached."""
    by_epoch = isinstance(runner.train_loop, EpochBasedTrainLoop)
    limits = dict(epoch=runner.max_epochs if by_epoch else 2**62)
    limits['iter'] = 2**62 if by_epoch else runner.max_iters
    for name, limit in limits.items():
        value = meta.get(name)
        if type(value) is not int or value < 0:
            raise _does_not_fit(file, f'meta, {name}', 'a number from 0 on', _kind(value))
        if value > limit:
            raise DataError(
                file, f'meta, {name}', f'at most {limit}, where this training ends', value,
                'Give a larger end to go on, e.g. --cfg-options train_cfg.max_epochs=N',
            )  # fmt: skip
    if not (meta.get('seed') is None or type(meta['seed']) is int):
        raise _does_not_fit(file, 'meta, seed', 'a number', _kind(meta['seed']))


def _check_message_hub(runner: Runner, checkpoint: dict[str, Any], file: str) -> None:
    """The log is dicts, and no file is named for deletion but those of this run."""
    for name in ('log_scalars', 'runtime_info', 'resumed_keys'):
        part = checkpoint['message_hub'].get(name)
        if not isinstance(part, dict) or not all(isinstance(key, str) for key in part):
            raise _does_not_fit(file, f'message_hub, {name}', 'a dict', _kind(part))
    information = checkpoint['message_hub']['runtime_info']
    folder = _checkpoint_folder(runner)
    is_own = Path(file).resolve().parent == folder.resolve()
    for name in [name for name in information if name.startswith('best_ckpt')]:
        best = folder / Path(str(information[name])).name
        if is_own and best.name.startswith('best_') and best.is_file():
            information[name] = str(best)
        else:
            del information[name]
    steps = information.pop('keep_ckpt_ids', None)
    newest = max(checkpoint['meta']['epoch'], checkpoint['meta']['iter'])
    if is_own and isinstance(steps, (list, tuple)):
        information['keep_ckpt_ids'] = [
            step for step in steps if type(step) is int and 0 <= step <= newest
        ]


def _checkpoint_folder(runner: Runner) -> Path:
    """Where ``CheckpointHook`` is going to save."""
    for hook in runner.hooks:
        if isinstance(hook, CheckpointHook) and hook.out_dir not in (None, runner.work_dir):
            return Path(hook.out_dir, Path(runner.work_dir).name)
    return Path(runner.work_dir)


def _pairs_of_optimizers(
    runner: Runner, saved: dict[str, Any], file: str
) -> Iterator[tuple[str, Optimizer, Any]]:
    wrapper = runner.optim_wrapper
    if not isinstance(wrapper, OptimWrapperDict):
        yield 'optimizer', wrapper.optimizer, saved
        return
    if set(saved) != set(wrapper.keys()):
        names = ', '.join(map(repr, wrapper.keys()))
        raise _does_not_fit(file, 'optimizer', f'optimisers {names}', f'{len(saved)} other entries')
    for name, one in wrapper.items():
        yield f'optimizer, {name}', one.optimizer, saved[name]


def _check_optimizer(optimizer: Optimizer, saved: Any, file: str, field: str) -> None:
    groups = saved.get('param_groups') if isinstance(saved, dict) else None
    if not isinstance(groups, list) or not all(isinstance(group, dict) for group in groups):
        raise _does_not_fit(file, field, 'the state of an optimiser', _kind(saved))
    own_groups = optimizer.param_groups
    parameters = [parameter for group in own_groups for parameter in group['params']]
    numbers = iter(range(len(parameters)))
    expected = [[next(numbers) for _ in group['params']] for group in own_groups]
    if [group.get('params') for group in groups] != expected:
        raise _does_not_fit(
            file, field, f'{len(parameters)} parameters in {len(own_groups)} groups',
            f'others in {len(groups)} groups',
        )  # fmt: skip
    for group, own in zip(groups, own_groups):
        for name in _IMPLEMENTATION:
            group.pop(name, None)
            if name in own:
                group[name] = own[name]
    states = saved.get('state')
    if not isinstance(states, dict):
        raise _does_not_fit(file, f'{field}, state', 'a dict', _kind(states))
    for number, state in states.items():
        if type(number) is not int or number not in range(len(parameters)):
            raise _does_not_fit(file, f'{field}, state', 'numbers of parameters', _kind(number))
        if not isinstance(state, dict):
            raise _does_not_fit(file, f'{field}, state {number}', 'a dict', _kind(state))
        if isinstance(optimizer, _ELEMENTWISE):
            _check_shapes(state, parameters[number], file, f'{field}, state {number}')


def _check_shapes(state: dict[str, Any], parameter: Tensor, file: str, field: str) -> None:
    for name, value in state.items():
        if not isinstance(value, Tensor):
            continue
        if name in _NUMBERS and value.numel() == 1:
            continue
        if value.shape != parameter.shape:
            expected = '1 element' if name in _NUMBERS else f'shape {tuple(parameter.shape)}'
            found = f'shape {tuple(value.shape)}'
            raise _does_not_fit(file, f'{field}, {name}', expected, found)


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
        yield from zip(schedules, entries)


def _check_schedule(schedule: Any, saved: dict[str, Any], file: str) -> None:
    """Numbers and names only, for the setting that the config gives the schedule."""
    own = vars(schedule)
    for name in list(saved):
        if name not in own or name == 'optimizer' or callable(own[name]):
            del saved[name]
        elif not _same_kind(saved[name], own[name]):
            field = f'param_schedulers, {name}'
            raise _does_not_fit(file, field, _kind(own[name]), _kind(saved[name]))
    if saved.get('param_name') != schedule.param_name:
        raise _does_not_fit(
            file, 'param_schedulers', f'schedules of {schedule.param_name!r}', 'another one'
        )


def _same_kind(one: Any, other: Any) -> bool:
    number = (int, float)
    if one is None or other is None or (isinstance(one, number) and isinstance(other, number)):
        return True
    return type(one) is type(other)


def _kind(value: Any) -> str:
    return 'none' if value is None else f'a value of type {type(value).__name__}'
