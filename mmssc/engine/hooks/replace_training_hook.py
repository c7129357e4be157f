"""Remove the checkpoints of the training that a new one replaces."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmssc.errors import counted
from mmssc.registry import HOOKS

__all__ = ['ReplaceTrainingHook']


@HOOKS.register_module()
class ReplaceTrainingHook(Hook):
    """Removes files when the training starts: after every check, before the first checkpoint.

    ``tools/train.py --overwrite`` adds this hook.

    Args:
        files: What :func:`mmssc.engine.earlier_training.check_earlier_training` returns.
    """

    priority = 'LOWEST'

    def __init__(self, files: Sequence[str]) -> None:
        self.files = files

    def before_train(self, runner: Runner) -> None:
        """Remove the files."""
        if self.files and is_main_process():
            for file in self.files:
                Path(file).unlink(missing_ok=True)
            runner.logger.info(f'Removed {counted(len(self.files), "file")} of an earlier training')
