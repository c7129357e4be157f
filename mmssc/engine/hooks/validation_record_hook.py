"""Repeat a validation that was cut off, and say when a training is finished."""

from __future__ import annotations

import re
from contextlib import suppress
from itertools import repeat
from pathlib import Path
from typing import Any

from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.hooks import CheckpointHook, Hook
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop, Runner

from mmssc.engine.schedule_lengths import how_to_train_longer
from mmssc.errors import DataError
from mmssc.fileio import atomic_write
from mmssc.formats.regular_files import read_text
from mmssc.registry import HOOKS

__all__ = ['ValidationRecordHook']


@HOOKS.register_module()
class ValidationRecordHook(Hook):
    """Notes the last complete validation in ``WORK_DIR/last_validation``.

    mmengine saves a checkpoint before it validates. If the run is killed in the validation, a
    resumed run continues after it: the scores and the best checkpoint of that epoch are missing, at
    the end of a training for ever. With this hook the resumed run validates first. Without a
    note (runs of earlier versions, checkpoints of other folders) it does so only at the end of the
    training. ``tools/train.py`` adds this hook to every training.
    """

    # After CheckpointHook, which writes the best checkpoint.
    priority = 'LOWEST'

    def before_train(self, runner: Runner) -> None:
        """Validate a resumed model if that is missing."""
        loop = runner.train_loop
        if not isinstance(loop, (EpochBasedTrainLoop, IterBasedTrainLoop)):
            return
        by_epoch = isinstance(loop, EpochBasedTrainLoop)
        done, end = (loop.epoch, loop.max_epochs) if by_epoch else (loop.iter, loop.max_iters)
        noted = _read(runner)
        if done >= end and not by_epoch:
            # Nothing is left to train: do not read the batches that mmengine would skip.
            loop.dataloader_iterator = repeat(None)
        is_missing = noted < done if noted is not None else done == end
        unit = 'epoch' if by_epoch else 'iteration'
        if done and is_missing and _is_due(runner, done, end):
            runner.logger.info(f'The validation after {unit} {done} was not completed: validating')
            for hook in runner.hooks:
                if isinstance(hook, CheckpointHook):
                    # The checkpoint on the disk gets the new best score, as after each validation.
                    hook.last_ckpt = ''
            runner.val_loop.run()
            return
        if noted is None or noted > done:
            _write(runner, done)
        if done >= end:
            runner.logger.info(
                f'The training is already finished: {unit} {done} of {end}. '
                + how_to_train_longer(runner, 'epoch' if by_epoch else 'iter')
            )

    def after_val_epoch(self, runner: Runner, metrics: Any = None) -> None:
        """Note the validation."""
        loop = runner._train_loop
        if isinstance(loop, (EpochBasedTrainLoop, IterBasedTrainLoop)):
            _write(runner, loop.epoch if isinstance(loop, EpochBasedTrainLoop) else loop.iter)


def _is_due(runner: Runner, done: int, end: int) -> bool:
    """Whether the loop validates after this epoch or iteration."""
    loop = runner.train_loop
    if runner.val_loop is None or done < loop.val_begin:
        return False
    loop._decide_current_val_interval()
    return done % loop.val_interval == 0 or done == end


def _file(runner: Runner) -> Path:
    return Path(runner.work_dir, 'last_validation')


def _read(runner: Runner) -> int | None:
    """The number in the file, the same on all processes; None without such a number."""
    noted: list[int | None] = [None]
    if is_main_process():
        with suppress(DataError):
            text = read_text(_file(runner), 100).strip()
            noted = [int(text) if re.fullmatch('[0-9]{1,15}', text) else None]
    broadcast_object_list(noted)
    return noted[0]


def _write(runner: Runner, done: int) -> None:
    if is_main_process():
        with atomic_write(_file(runner), 'w') as file:
            file.write(f'{done}\n')
