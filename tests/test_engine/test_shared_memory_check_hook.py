"""When the size of /dev/shm is measured, and against what."""

from __future__ import annotations

import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.runner import BaseLoop
from torch.utils.data import DataLoader, Dataset

from mmssc.engine.hooks import SharedMemoryCheckHook
from mmssc.errors import DataError

SAMPLE = 4 * 4096


class RandomSamples(Dataset):
    """Draws from every generator."""

    def __init__(self):
        self.reads = 0

    def __len__(self):
        return 100

    def __getitem__(self, index):
        self.reads += 1
        return torch.rand(64, 64) + random.random() + np.random.rand()


class Loop(BaseLoop):
    """A loop with a loader and nothing else."""

    def __init__(self, loader):
        self.dataloader = loader

    def run(self):
        """Nothing."""


def check(free, **loaders):
    hook = SharedMemoryCheckHook()
    hook.free = free
    loops = {f'_{split}_loop': dict() for split in ('train', 'val', 'test')}
    loops.update({f'_{split}_loop': Loop(loader) for split, loader in loaders.items()})
    hook.before_run(SimpleNamespace(**loops))


def loader(workers=2, **more):
    return DataLoader(RandomSamples(), batch_size=2, num_workers=workers, **more)


def test_room_for_every_batch_that_waits_and_the_one_in_use():
    check(5 * 2 * SAMPLE, train=loader())
    with pytest.raises(DataError, match='for val_dataloader: 5 batches of 32 kB .*num_workers=1$'):
        check(5 * 2 * SAMPLE - 1, train=loader(0), val=loader())
    with pytest.raises(DataError, match='num_workers=0 test_dataloader.persistent_workers=False$'):
        check(2 * SAMPLE, test=loader())
    with pytest.raises(DataError, match='9 batches'):
        check(5 * 2 * SAMPLE, test=loader(prefetch_factor=4))


def test_every_process_of_the_machine_takes_its_part(monkeypatch):
    monkeypatch.setattr('mmssc.engine.hooks.shared_memory_check_hook.get_world_size', lambda: 8)
    monkeypatch.setenv('LOCAL_WORLD_SIZE', '4')
    check(4 * 5 * 2 * SAMPLE, train=loader())
    with pytest.raises(DataError, match='in each of 4 process'):
        check(4 * 5 * 2 * SAMPLE - 1, train=loader())


def test_no_sample_is_read_with_much_room_and_no_random_number_is_lost():
    roomy, measured = loader(), loader()
    check(2**40, train=roomy)
    assert roomy.dataset.reads == 0
    numbers = []
    for free in (2**40, 2**20):
        random.seed(0), np.random.seed(0), torch.manual_seed(0)
        check(free, train=measured)
        numbers.append((random.random(), np.random.rand(), torch.rand(1).item()))
    assert measured.dataset.reads == 1 and numbers[0] == numbers[1]
