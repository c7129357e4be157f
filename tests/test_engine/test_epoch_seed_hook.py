import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from mmssc.engine.hooks import EpochSeedHook, epoch_seed


class Draws(Dataset):
    """Every item is a triple of draws from the three global generators."""

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return np.array([random.random(), np.random.rand(), torch.rand(()).item()])


def epoch_draws(hook, loader, epoch, warnings=None):
    runner = SimpleNamespace(
        train_dataloader=loader,
        seed=3,
        epoch=epoch,
        optim_wrapper=SimpleNamespace(_accumulative_counts=1),
        logger=SimpleNamespace(warning=(warnings or []).append),
    )
    if not hasattr(hook, '_worker_init_fn'):
        hook.before_train(runner)
    hook.before_train_epoch(runner)
    return torch.cat(list(loader)).numpy()


@pytest.mark.parametrize('workers', [0, 2])
def test_draws_are_a_function_of_the_epoch(workers):
    options = dict(num_workers=workers, persistent_workers=workers > 0)
    hook, loader = EpochSeedHook(), DataLoader(Draws(), **options)
    draws = [epoch_draws(hook, loader, epoch) for epoch in range(3)]
    assert not np.isclose(draws[0], draws[1]).any()
    assert not np.isclose(draws[1], draws[2]).any()
    assert len(np.unique(draws[0])) == draws[0].size, 'two workers drew the same numbers'
    resumed = epoch_draws(EpochSeedHook(), DataLoader(Draws(), **options), epoch=2)
    np.testing.assert_array_equal(resumed, draws[2])


def test_own_worker_function_still_runs():
    calls = []
    hook, loader = EpochSeedHook(), DataLoader(Draws(), worker_init_fn=calls.append)
    epoch_draws(hook, loader, 0)
    epoch_draws(hook, loader, 1)
    loader.worker_init_fn(5)
    assert calls == [5]


def test_seeds_differ_between_epochs_ranks_and_workers():
    seeds = {
        epoch_seed(seed, epoch, rank, worker)
        for seed in range(3)
        for epoch in range(4)
        for rank in range(2)
        for worker in (-1, 0, 1)
    }
    assert len(seeds) == 3 * 4 * 2 * 3


def test_accumulation_across_epochs_is_announced():
    messages = []
    runner = SimpleNamespace(
        train_dataloader=DataLoader(Draws()),
        optim_wrapper=SimpleNamespace(_accumulative_counts=3),
        logger=SimpleNamespace(warning=messages.append),
    )
    EpochSeedHook().before_train(runner)
    assert len(messages) == 1 and 'accumulative_counts=3' in messages[0]
