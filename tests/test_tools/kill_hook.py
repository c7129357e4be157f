"""A power cut at a chosen moment."""

from __future__ import annotations

import os
import signal

from mmengine.hooks import Hook

from mmssc.registry import HOOKS


@HOOKS.register_module()
class KillHook(Hook):
    """Kill this process after training iteration ``iteration`` (from 0, over all epochs)."""

    priority = 'LOWEST'

    def __init__(self, iteration: int) -> None:
        self.iteration = iteration

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        if runner.iter == self.iteration:
            os.kill(os.getpid(), signal.SIGKILL)


@HOOKS.register_module()
class KillInValidationHook(Hook):
    """Kill this process in the validation after ``epoch`` (or iteration, from 1)."""

    def __init__(self, after: int) -> None:
        self.after = after

    def after_val_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        if self.after in (runner.epoch, runner.iter):
            os.kill(os.getpid(), signal.SIGKILL)
