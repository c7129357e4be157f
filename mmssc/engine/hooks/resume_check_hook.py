"""A hook that checks what a resumed training takes from its checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine.hooks import CheckpointHook, Hook
from mmengine.optim import OptimWrapperDict
from mmengine.runner import EpochBasedTrainLoop, Runner, find_latest_checkpoint
from torch import Tensor, optim
from torch.optim import Optimizer

from mmssc.errors import DataError
from mmssc.registry import HOOKS

__all__ = ['ResumeCheckHook']

# Settings that choose the compiled code of an optimiser. Only the config may choose them.
_IMPLEMENTATION = ('fused', 'foreach', 'capturable', 'differentiable')
# State entries that are one number.
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
        for part in ('meta', 'message_hub', 'optimizer'):
            if not isinstance(checkpoint.get(part), dict):
                found = _kind(checkpoint.get(part))
                raise _does_not_fit(file, part, 'the state of a training', found)
        _check_progress(runner, checkpoint['meta'], file)
        _check_message_hub(runner, checkpoint, file)
        for name, own, saved in _pairs_of_optimizers(runner, checkpoint['optimizer'], file):
            _check_optimizer(own, saved, file, name)
        if 'param_schedulers' in checkpoint and runner.param_schedulers is not None:
            for own, saved in _pairs_of_schedules(runner, checkpoint['param_schedulers'], file):
                _check_schedule(own, saved, file)


def _does_not_fit(file: str, field: str, expected: Any, found: Any) -> DataError:
    hint = f'To start from its weights alone, give --cfg-options load_from={file}, no --resume'
    return DataError(file, field, expected, found, hint)


def _check_progress(runner: Runner, meta: dict[str, Any], file: str) -> None:
    """Epoch and iteration are not beyond the end of this training."""
    by_epoch = isinstance(runner.train_loop, EpochBasedTrainLoop)
    unit, end = ('epoch', runner.max_epochs) if by_epoch else ('iter', runner.max_iters)
    for name in ('epoch', 'iter'):
        value = meta.get(name)
        if type(value) is not int:
            raise _does_not_fit(file, f'meta, {name}', 'a number', _kind(value))
        if not 0 <= value < 2**62:
            raise _does_not_fit(file, f'meta, {name}', 'a number from 0 to 2**62 - 1', value)
    if meta[unit] > end:
        raise DataError(
            file, f'meta, {unit}', f'at most {end}, where this training ends', meta[unit],
            f'To train longer, give --cfg-options train_cfg.max_{unit}s=N',
        )  # fmt: skip
    if not (meta.get('seed') is None or type(meta['seed']) is int):
        raise _does_not_fit(file, 'meta, seed', 'a number', _kind(meta['seed']))


def _check_message_hub(runner: Runner, checkpoint: dict[str, Any], file: str) -> None:
    """The log consists of dicts, and only files of this run may be deleted."""
    for name in ('log_scalars', 'runtime_info', 'resumed_keys'):
        part = checkpoint['message_hub'].get(name)
        if not isinstance(part, dict):
            raise _does_not_fit(file, f'message_hub, {name}', 'a dict', _kind(part))
        if not all(isinstance(key, str) for key in part):
            raise _does_not_fit(file, f'message_hub, {name}', 'text as keys', 'other keys')
    information = checkpoint['message_hub']['runtime_info']
    folder = _checkpoint_folder(runner)
    is_own = Path(file).resolve().parent == folder.resolve()
    for name in [name for name in information if name.startswith('best_ckpt')]:
        best = folder / Path(str(information[name])).name
        if is_own and best.name.startswith('best_') and best.is_file():
            information[name] = str(best)
        else:
            del information[name]
    # Names hold epochs or iterations, as the config chooses.
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
        found = ', '.join(map(repr, saved))[:200]
        raise _does_not_fit(file, 'optimizer', f'optimisers {names}', found)
    for name, one in wrapper.items():
        yield f'optimizer, {name}', one.optimizer, saved[name]


def _check_optimizer(optimizer: Optimizer, saved: Any, file: str, field: str) -> None:
    if not isinstance(saved, dict):
        raise _does_not_fit(file, field, 'the state of an optimiser', _kind(saved))
    groups = saved.get('param_groups')
    if not isinstance(groups, list) or not all(isinstance(group, dict) for group in groups):
        raise _does_not_fit(file, f'{field}, param_groups', 'a list of dicts', _kind(groups))
    # The saved groups name their parameters by number.
    expected = [group['params'] for group in optimizer.state_dict()['param_groups']]
    if [group.get('params') for group in groups] != expected:
        raise _does_not_fit(
            file, f'{field}, param_groups', f'groups of {list(map(len, expected))} parameters',
            f'{len(groups)} groups, with other parameters',
        )  # fmt: skip
    own_groups = optimizer.param_groups
    parameters = [parameter for group in own_groups for parameter in group['params']]
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
            last = len(parameters) - 1
            raise _does_not_fit(file, f'{field}, state', f'numbers from 0 to {last}', repr(number))
        if not isinstance(state, dict):
            raise _does_not_fit(file, f'{field}, state {number}', 'a dict', _kind(state))
        if isinstance(optimizer, _ELEMENTWISE):
            _check_shapes(state, parameters[number], file, f'{field}, state {number}')


def _check_shapes(state: dict[str, Any], parameter: Tensor, file: str, field: str) -> None:
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
    """The saved values have the types of the config's schedule, and change the same setting."""
    own = vars(schedule)
    for name in list(saved):
        if name not in own or name == 'optimizer' or callable(own[name]):
            del saved[name]
        elif not _same_kind(saved[name], own[name]):
            field = f'param_schedulers, {name}'
            raise _does_not_fit(file, field, _kind(own[name]), _kind(saved[name]))
    if saved.get('param_name') != schedule.param_name:
        found = repr(saved.get('param_name'))
        raise _does_not_fit(file, 'param_schedulers, param_name', repr(schedule.param_name), found)


def _same_kind(one: Any, other: Any) -> bool:
    """None fits everything: a setting can be unset in one of the two."""
    number = (int, float)
    if one is None or other is None or (isinstance(one, number) and isinstance(other, number)):
        return True
    return type(one) is type(other)


def _kind(value: Any) -> str:
    return 'none' if value is None else f'a value of type {type(value).__name__}'
