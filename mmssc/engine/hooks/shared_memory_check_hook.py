"""A hook that compares the size of ``/dev/shm`` with what the data loaders need."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.runner import BaseLoop, Runner
from torch.utils.data import DataLoader, IterableDataset

from mmssc.compat import SHARED_MEMORY, full_shared_memory, readable_size, shared_bytes
from mmssc.registry import HOOKS

__all__ = ['SharedMemoryCheckHook']

# With room for so many bytes per sample, no sample is read to measure it.
_LARGE_SAMPLE = 2**28


@contextmanager
def _same_random_numbers() -> Iterator[None]:
    """Give the generators back as they were: the check must not change a training."""
    states = random.getstate(), np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng(devices=[]):
        yield
    random.setstate(states[0])
    np.random.set_state(states[1])  # noqa: NPY002


def _processes_of_this_machine() -> int:
    if get_world_size() == 1:
        return 1
    # Set by torchrun and by srun.
    for name in ('LOCAL_WORLD_SIZE', 'SLURM_NTASKS_PER_NODE'):
        if os.environ.get(name, '').isdigit():
            return int(os.environ[name])
    return 1


def _batches_at_once(loader: DataLoader) -> int:
    """Batches that wait for the training, and the one it works on."""
    count = loader.num_workers * (loader.prefetch_factor or 2) + 1
    return min(count, len(loader)) if hasattr(loader.dataset, '__len__') else count


@HOOKS.register_module()
class SharedMemoryCheckHook(Hook):
    """Stops a run at its start if ``/dev/shm`` has no room for the batches of its data loaders.

    Docker gives a container 64 MB. Without the check a run could fail hours later, in its first
    validation. If little is free, the hook reads the first sample of each loader to measure it.
    ``tools/train.py`` and ``tools/test.py`` add this hook.
    """

    priority = 'VERY_HIGH'

    def __init__(self) -> None:
        # Asked now: later, workers that read ahead have taken their part.
        self.free = shutil.disk_usage(SHARED_MEMORY).free if SHARED_MEMORY.is_dir() else None

    def before_run(self, runner: Runner) -> None:
        """Check the loaders of the loops that will run.

        Raises:
            DataError: ``/dev/shm`` is too small.
        """
        for split in ('train', 'val', 'test'):
            loop = getattr(runner, f'_{split}_loop')
            loader = loop.dataloader if isinstance(loop, BaseLoop) else None
            if isinstance(loader, DataLoader) and loader.num_workers:
                self._check(loader, f'{split}_dataloader')

    def _check(self, loader: DataLoader, name: str) -> None:
        size = loader.batch_size or 1
        batches, processes = _batches_at_once(loader), _processes_of_this_machine()
        if self.free is None or isinstance(loader.dataset, IterableDataset) or not batches:
            return
        if self.free >= batches * processes * size * _LARGE_SAMPLE:
            return
        with _same_random_numbers():
            batch = shared_bytes(loader.dataset[0]) * size
        need = batches * processes * batch
        if need <= self.free:
            return
        expected = (
            f'{readable_size(need)} for {name}: {batches} batches of {readable_size(batch)} at a '
            f'time in each of {processes} process(es)'
        )
        # Batches that fit beside the one in use, per worker that reads ahead.
        fitting = (self.free // (batch * processes) - 1) // (loader.prefetch_factor or 2)
        workers = min(max(fitting, 0), loader.num_workers - 1)
        option = f'--cfg-options {name}.num_workers={workers}'
        if not workers:
            option += f' {name}.persistent_workers=False'
        raise full_shared_memory(expected, self.free, option)
