"""Random numbers that do not depend on where a run was interrupted."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmssc.registry import HOOKS

__all__ = ['EpochSeedHook', 'epoch_seed']


def epoch_seed(seed: int, epoch: int, rank: int, worker: int = -1) -> int:
    """A 32-bit seed, independent for each combination; worker -1 is the main process."""
    return int(np.random.SeedSequence([seed, epoch, rank, worker + 1]).generate_state(1)[0])


def _seed_everything(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 The generator that transforms draw from.
    torch.manual_seed(seed)  # All devices.


def _start_worker(
    worker: int, previous: Callable[[int], None] | None, seed: int, epoch: int, rank: int
) -> None:
    if previous is not None:
        previous(worker)
    _seed_everything(epoch_seed(seed, epoch, rank, worker))


@HOOKS.register_module()
class EpochSeedHook(Hook):
    """Seeds Python, NumPy and torch before each training epoch, here and in the workers.

    mmengine seeds once, at the start, and does not store generator states, so a resumed run would
    repeat the random numbers of the first epochs. With this hook the random numbers of an epoch
    depend only on (seed, epoch, rank, worker). A run that resumes from a checkpoint at the end of
    an epoch therefore gives the same weights, bit for bit, as an uninterrupted run (same machine,
    same numbers of processes and workers, deterministic kernels).

    Persistent data loader workers would keep their generators in the next epoch, so the hook
    restarts them, which takes about a second per epoch. (Without the hook, other workers draw the
    same numbers in every epoch, because mmengine gives them the same seeds.)
    """

    # Before all hooks that draw random numbers.
    priority = 'VERY_HIGH'

    def before_train(self, runner: Runner) -> None:
        """Keep the loader's own worker function, and warn if exact resuming is impossible."""
        self._worker_init_fn = getattr(runner.train_dataloader, 'worker_init_fn', None)
        accumulate = getattr(runner.optim_wrapper, '_accumulative_counts', 1)
        iterations = len(runner.train_dataloader)
        if iterations % accumulate:
            runner.logger.warning(
                f'accumulative_counts={accumulate} does not divide the {iterations} iterations '
                'of an epoch: gradients accumulated at the end of an epoch are not '
                'in its checkpoint, so a resumed run differs slightly from an uninterrupted one'
            )

    def before_train_epoch(self, runner: Runner) -> None:
        """Seed for the epoch that starts."""
        state = dict(seed=runner.seed, epoch=runner.epoch, rank=get_rank())
        _seed_everything(epoch_seed(**state))
        loader = runner.train_dataloader
        loader.worker_init_fn = partial(_start_worker, previous=self._worker_init_fn, **state)
        if getattr(loader, 'persistent_workers', False):
            loader._iterator = None
