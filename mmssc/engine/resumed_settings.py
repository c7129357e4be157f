"""Settings that a checkpoint overrules when a training resumes, and how to keep the config's."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.hooks import CheckpointHook
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch import Tensor

from mmssc.errors import counted

__all__ = [
    'correct_iteration', 'entry_of_schedule', 'overruled_settings', 'schedules_of',
    'settings_of_config',
]  # fmt: skip

# What a schedule counts, and what the lines about the optimiser say already.
_PROGRESS = ('last_step', 'base_values', 'best', 'num_bad_epochs', 'cooldown_counter', 'verbose')
# Settings of a schedule that count epochs or iterations.
_LENGTHS = ('begin', 'end', 'T_max', 'total_iters', 'step_size', 'milestones')


def overruled_settings(runner: Runner, checkpoint: dict[str, Any]) -> list[str]:
    """One line for each setting of optimisers and schedules that differs from the config.

    Args:
        runner: About to resume; optimisers and schedules are built.
        checkpoint: Checked by ``ResumeCheckHook``.
    """
    pairs: dict[str, tuple[str, str]] = {}
    if 'optimizer' in checkpoint:
        for name, wrapper in _by_name(runner.optim_wrapper):
            saved = checkpoint['optimizer'][name] if name else checkpoint['optimizer']
            prefix = '.'.join(filter(None, ('optim_wrapper', name, 'optimizer')))
            for own, group in zip(wrapper.optimizer.param_groups, saved['param_groups']):
                for key, values in _optimizer_settings(own, group).items():
                    now, before = map(_shown, values)
                    pairs.setdefault(f'{prefix}.{key}', (f'{now} as in the config', before))
    if 'param_schedulers' in checkpoint:
        for name, schedules in schedules_of(runner):
            saved = checkpoint['param_schedulers']
            for number, own in enumerate(schedules):
                entry = (saved[name] if name else saved)[number]
                prefix = '.'.join(filter(None, ('param_scheduler', name, str(number))))
                given = entry_of_schedule(runner.cfg, name, number)
                for key, values in _schedule_settings(own, entry).items():
                    now, before = _in_words(runner, given, own.by_epoch, key, values)
                    # The default length is that of the training.
                    is_default = given and key in ('end', 'T_max') and key not in given
                    place = ', the length of the training' if is_default else ' as in the config'
                    pairs[f'{prefix}.{key}'] = (f'{now}{place}', before)
    return [
        f'--resume: {setting} is {saved} as in the checkpoint, not {own}'
        for setting, (own, saved) in pairs.items()
    ]


def _in_words(
    runner: Runner, given: Mapping[str, Any], by_epoch: bool, key: str, values: tuple[Any, Any]
) -> list[str]:
    """Values of a schedule; lengths in the unit of the config, although mmengine converts them."""
    if key not in _LENGTHS:
        return [*map(_shown, values)]
    by_loop = isinstance(runner.train_loop, EpochBasedTrainLoop)
    is_converted = by_loop and bool(given.get('convert_to_iter_based', False))
    scale = len(runner.train_dataloader) if is_converted else 1
    unit = 'epochs' if by_epoch or is_converted else 'iterations'

    def in_unit(value: Any) -> str:
        if isinstance(value, (int, float)):
            return f'{value / scale:.6g}'
        return f'[{", ".join(map(in_unit, sorted(value)))}]'

    return [f'{in_unit(value)} {unit}' for value in values]


def settings_of_config(runner: Runner, checkpoint: dict[str, Any]) -> None:
    """Replace the schedules in a checkpoint by those of the config, at the same point.

    Brings the schedules, and with them the learning rates of the optimisers, to where they would be
    if the training had used the config from the start. Schedules that follow a metric
    (``ReduceOnPlateauLR``) start anew.

    Args:
        runner: About to resume; optimisers and schedules are built and unused.
        checkpoint: ``meta`` is checked.
    """
    schedules = [one for _, several in schedules_of(runner) for one in several]
    by_iteration = [one for one in schedules if not one.by_epoch]
    by_epoch = [one for one in schedules if one.by_epoch]
    with warnings.catch_warnings():
        # torch and mmengine warn about a schedule that moves without its optimiser.
        warnings.simplefilter('ignore')
        if isinstance(runner.train_loop, EpochBasedTrainLoop):
            for _ in range(checkpoint['meta']['epoch']):
                _step(by_iteration, len(runner.train_dataloader))
                _step(by_epoch, 1)
        else:
            _step(by_iteration, checkpoint['meta']['iter'])
    states = {name: [one.state_dict() for one in several] for name, several in schedules_of(runner)}
    checkpoint['param_schedulers'] = states.get('', states)


def correct_iteration(runner: Runner, checkpoint: dict[str, Any]) -> str | None:
    """Count the iterations of a checkpoint as this training counts them.

    With another batch size, number of processes or data set, an epoch has another number of
    iterations. Then mmengine would end at another iteration than it expects.

    Returns:
        What was changed, or None.
    """
    meta = checkpoint['meta']
    saves_within_epochs = any(
        isinstance(hook, CheckpointHook) and not hook.by_epoch for hook in runner.hooks
    )
    if not isinstance(runner.train_loop, EpochBasedTrainLoop):
        return None
    length = len(runner.train_dataloader)
    expected, found = meta['epoch'] * length, meta['iter']
    # Within an epoch, or at its end before the next one is counted.
    if found == expected or (saves_within_epochs and expected < found <= expected + length):
        return None
    meta['iter'] = expected
    return (
        f'--resume: {counted(meta["epoch"], "epoch")} had {found} iterations in the checkpoint and '
        f'now {expected} (another batch size, number of processes or data set)'
    )


def _step(schedules: list[Any], times: int) -> None:
    for _ in range(times if schedules else 0):
        for one in schedules:
            one.step()


def _by_name(wrapper: Any) -> Iterator[tuple[str, OptimWrapper]]:
    yield from wrapper.items() if isinstance(wrapper, OptimWrapperDict) else [('', wrapper)]


def schedules_of(runner: Runner) -> Iterator[tuple[str, list[Any]]]:
    """Name of the optimiser, '' if there is one alone -> its schedules."""
    own = runner.param_schedulers
    yield from own.items() if isinstance(own, dict) else [('', own or [])]


def _optimizer_settings(own: dict[str, Any], saved: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Name -> values in the config and in the checkpoint, where they differ."""
    pairs = {}
    for name, value in own.items():
        # A scheduled setting: its start counts, not its value at this moment.
        if name == 'params' or f'initial_{name}' in own:
            continue
        if name in saved and _differ(value, saved[name]):
            pairs[name.removeprefix('initial_')] = (value, saved[name])
    return pairs


def _schedule_settings(own: Any, saved: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {
        name: (value, saved[name])
        for name, value in vars(own).items()
        if name in saved
        and not name.startswith('_')
        and name not in _PROGRESS
        and _differ(value, saved[name])
    }


def _differ(own: Any, saved: Any) -> bool:
    if isinstance(own, Tensor) and isinstance(saved, Tensor):
        return bool((own.cpu() != saved.cpu()).any())
    if isinstance(own, (list, tuple)) and isinstance(saved, (list, tuple)):
        return list(own) != list(saved)
    return own != saved


def _shown(value: Any) -> str:
    if isinstance(value, Counter):
        value = sorted(value)
    return f'{value!r:.60}'


def entry_of_schedule(cfg: Mapping[str, Any], optimizer: str, number: int) -> Mapping[str, Any]:
    """The entries of a schedule in the config; none if the Runner has no config.

    Args:
        cfg: The config.
        optimizer: Name of the optimiser, as of :func:`schedules_of`.
        number: Position of the schedule.
    """
    found = cfg.get('param_scheduler') or []
    found = found.get(optimizer, found) if isinstance(found, Mapping) else found
    found = [found] if isinstance(found, Mapping) else found
    return found[number] if number < len(found) and isinstance(found[number], Mapping) else {}
