"""Say before a training which schedules are shorter than it."""

from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop, Runner

from mmssc.engine.schedule_lengths import short_schedules
from mmssc.registry import HOOKS

__all__ = ['ScheduleLengthHook']


@HOOKS.register_module()
class ScheduleLengthHook(Hook):
    """Warns about a schedule that is shorter than the training, or a warm-up that is longer.

    After ``T_max``, a cosine schedule goes up again without a word; after ``end``, a schedule does
    nothing. ``tools/train.py`` adds this hook to every training.
    """

    def before_train(self, runner: Runner) -> None:
        """Compare the lengths, after a resumed run has loaded its schedules."""
        if isinstance(runner.train_loop, (EpochBasedTrainLoop, IterBasedTrainLoop)):
            for line in short_schedules(runner):
                runner.logger.warning(line)
