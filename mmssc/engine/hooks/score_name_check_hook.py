"""A hook that checks the names of scores that other hooks and schedules wait for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mmengine.hooks import CheckpointHook, EarlyStoppingHook, Hook
from mmengine.runner import Runner

from mmssc.config_places import place_of_value
from mmssc.errors import DataError, nearest_name
from mmssc.registry import HOOKS

__all__ = ['ScoreNameCheckHook']


@HOOKS.register_module()
class ScoreNameCheckHook(Hook):
    """Stops a training at its start if its evaluator never gives a score that a setting names.

    These are ``save_best`` of ``CheckpointHook`` and ``monitor`` of ``EarlyStoppingHook`` and of
    schedules. Without the check, the training fails after its first validation. Metrics that do not
    say their names (a method ``figure_names``, see :class:`~mmssc.evaluation.SSCMetric`) are not
    checked. ``tools/train.py`` adds this hook.
    """

    priority = 'VERY_HIGH'

    def before_train(self, runner: Runner) -> None:
        """Check the names.

        Raises:
            DataError: The evaluator does not give a score of this name.
        """
        # A loop of the user may score in another way.
        metrics = getattr(getattr(runner.val_loop, 'evaluator', None), 'metrics', ())
        if not all(hasattr(metric, 'figure_names') for metric in metrics):
            return
        known = [name for metric in metrics for name in metric.figure_names()]
        for kind, key, name in _names_in_use(runner):
            if known and name not in known:
                place = place_of_value(runner.cfg, kind, key, name) or kind
                setting = f'{place}.{key}'
                shown = [one for one in known if '/SC_IoU' in one or '/SSC_mIoU' in one]
                expected = f'a score of val_evaluator, such as {", ".join(shown or known)}'
                raise DataError('config', setting, expected, name, nearest_name(name, known))


def _names_in_use(runner: Runner) -> Iterator[tuple[str, str, str]]:
    """The scores that the training needs: class that names one, its argument, and the name."""
    for hook in runner.hooks:
        if isinstance(hook, CheckpointHook):
            names = [name for name in hook.save_best or () if name != 'auto']
            yield from ((type(hook).__name__, 'save_best', name) for name in names)
        elif isinstance(hook, EarlyStoppingHook):
            yield type(hook).__name__, 'monitor', hook.monitor
    for schedule in _schedules(runner.param_schedulers):
        if getattr(schedule, 'need_val_args', False) and hasattr(schedule, 'monitor'):
            yield type(schedule).__name__, 'monitor', schedule.monitor


def _schedules(value: Any) -> Iterator[Any]:
    """The schedules of one optimiser or of several."""
    for one in value.values() if isinstance(value, dict) else value or ():
        yield from one if isinstance(one, list) else [one]
