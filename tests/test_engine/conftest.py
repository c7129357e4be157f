"""Fixtures of resumed trainings: a checkpoint, and a runner that is about to resume from it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from mmengine.runner import Runner
from toy_training import TOYS, toy_config

from mmssc.compat import load_checkpoint_file


@pytest.fixture(scope='module')
def saved(tmp_path_factory):
    """A folder in which the toy model was trained for two of its three epochs."""
    sys.path.insert(0, str(TOYS))
    folder = tmp_path_factory.mktemp('resume') / 'run'
    cfg = toy_config(folder)
    cfg.train_cfg.max_epochs = 2
    Runner.from_cfg(cfg).train()
    # The best one when epoch_2.pth was written; a better one may have taken its place since.
    hub = load_checkpoint_file(folder / 'epoch_2.pth')['message_hub']
    Path(hub['runtime_info']['best_ckpt']).touch()
    yield folder
    sys.path.remove(str(TOYS))


@pytest.fixture
def checkpoint(saved):
    return load_checkpoint_file(saved / 'epoch_2.pth')


@pytest.fixture(scope='module')
def runner(saved):
    """A runner that is about to resume from the folder."""
    runner = Runner.from_cfg(toy_config(saved))
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    runner.param_schedulers = runner.build_param_scheduler(runner.param_schedulers)
    runner._resume, runner._load_from = True, str(saved / 'epoch_2.pth')
    return runner
