"""Compare the lengths of schedules with the length of the training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mmengine.optim.scheduler.param_scheduler import ConstantParamScheduler, LinearParamScheduler
from mmengine.runner import EpochBasedTrainLoop, Runner

from .resumed_settings import entry_of_schedule, schedules_of

__all__ = ['how_to_train_longer', 'short_schedules']


_ADD = 'To change this, add to your command: '


@dataclass
class _Schedule:
    """A schedule; begin, end, length of the cosine and of the training in units of the config."""

    place: str
    optimizer: str
    param_name: str
    given: Mapping[str, Any]
    begin: float
    end: float
    cosine: float | None
    length: float
    unit: str
    is_warm_up: bool

    @property
    def share(self) -> float:
        """Where it ends, as a share of the training."""
        return self.end / self.length


def how_to_train_longer(runner: Runner, unit: str) -> str:
    """The options that make a resumed training longer, with those of its schedules.

    Args:
        runner: Its schedules are built.
        unit: ``'epoch'`` or ``'iter'``, what the training counts.
    """
    options = [f'train_cfg.max_{unit}s=N']
    for one in _read(runner):
        ends = dict(T_max=one.begin + (one.cosine or 0), end=one.end)
        # A warm-up that ends early stays as it is.
        names = [name for name in ends if name in one.given and ends[name] >= one.length]
        value = 'N' if one.unit.startswith(unit) and not one.begin else '...'
        options += [f'{one.place}.{name}={value}' for name in names]
    # Otherwise the schedules of the checkpoint count.
    settings = '--resume-settings config ' if runner.param_schedulers else ''
    return f'To train longer, add to your command: {settings}--cfg-options {" ".join(options)}'


def short_schedules(runner: Runner) -> list[str]:
    """One line for each schedule that is shorter than the training, or warm-up that is longer.

    Args:
        runner: About to train; its schedules are built and, if it resumes, loaded.
    """
    schedules = list(_read(runner))
    return [line for one in schedules if (line := _remark(one, schedules, runner._resume))]


def _remark(one: _Schedule, schedules: list[_Schedule], resumed: bool) -> str | None:
    same = [other for other in schedules
            if (other.optimizer, other.param_name) == (one.optimizer, one.param_name)]  # fmt: skip
    is_last = one.share == max(other.share for other in same)
    # Where another schedule follows, this one has to reach its own end only.
    goal = one.length if is_last else min(one.end, one.length)
    stop = one.end if one.cosine is None else one.begin + one.cosine
    what = 'the learning rate' if one.param_name == 'lr' else one.param_name
    if one.cosine is not None and stop < min(one.end, one.length):
        name, value, change = 'T_max', one.cosine, f'{what} goes back to its start'
    elif is_last and not one.is_warm_up and one.end < one.length:
        name, value, stop, change = 'end', one.end, one.end, f'{what} does not change'
    elif one.is_warm_up and one.end > one.length:
        return _long_warm_up(one, what, resumed)
    else:
        return None
    longer = {'T_max': goal - one.begin} if name == 'T_max' or 'T_max' in one.given else {}
    if one.end < goal:
        longer['end'] = goal
    options = ' '.join(f'{one.place}.{key}={number:g}' for key, number in longer.items())
    settings = '--resume-settings config ' if resumed else ''
    return (
        f'{one.place}.{name} is {value:g}, but the training has {one.length:g} {one.unit}: after '
        f'{stop:g} {one.unit}, {change}. {_ADD}{settings}--cfg-options {options}'
    )


def _long_warm_up(one: _Schedule, what: str, resumed: bool) -> str:
    settings = '--resume-settings config ' if resumed else ''
    shorter = max(1, int(one.length) // 10)
    return (
        f'{one.place}.end is {one.end:g}, but the training has {one.length:g} {one.unit}: the '
        f'warm-up does not end, and {what} never reaches its full value. {_ADD}{settings}'
        f'--cfg-options {one.place}.end={shorter}'
    )


def _read(runner: Runner) -> Iterator[_Schedule]:
    by_epoch = isinstance(runner.train_loop, EpochBasedTrainLoop)
    for optimizer, schedules in schedules_of(runner):
        prefix = '.'.join(filter(None, ('param_scheduler', optimizer)))
        for number, one in enumerate(schedules):
            if one.by_epoch and not by_epoch:
                continue  # A training by iterations has no epochs that it could be compared with.
            given = entry_of_schedule(runner.cfg, optimizer, number)
            converted = by_epoch and given.get('convert_to_iter_based', False)
            scale = len(runner.train_dataloader) if converted else 1
            epochs = one.by_epoch or converted
            cosine = getattr(one, 'T_max', None)
            yield _Schedule(
                place=f'{prefix}.{number}', optimizer=optimizer, param_name=one.param_name,
                given=given, begin=one.begin / scale, end=one.end / scale,
                cosine=None if cosine is None else cosine / scale,
                length=runner.max_epochs if epochs else runner.max_iters,
                unit='epochs' if epochs else 'iterations', is_warm_up=_is_warm_up(one),
            )  # fmt: skip


def _is_warm_up(schedule: Any) -> bool:
    """Whether it only starts a training: a constant factor, or one that grows."""
    if isinstance(schedule, LinearParamScheduler):
        return schedule.start_factor <= schedule.end_factor
    return isinstance(schedule, ConstantParamScheduler)
