import math
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper

from mmssc.registry import PARAM_SCHEDULERS

ROOT = Path(__file__).parents[2]
UNITS = ROOT / 'tests/data/parity/sgn/units_1.npz'


def test_adamw_48e_equals_the_reference_learning_rate():
    expected = np.load(UNITS)
    per_epoch = int(expected['lr/iters_per_epoch'])
    wanted = dict(zip(expected['lr/iteration'].tolist(), expected['lr/value'].tolist()))
    cfg = Config.fromfile(ROOT / 'configs/_base_/schedules/adamw_48e.py')
    optim_wrapper = build_optim_wrapper(torch.nn.Linear(1, 1), cfg.optim_wrapper)
    by_iter, by_epoch = (
        PARAM_SCHEDULERS.build(dict(optimizer=optim_wrapper, **scheduler))
        for scheduler in cfg.param_scheduler
    )
    optim_wrapper.optimizer.step()
    found = {}
    # The steps of mmengine's ParamSchedulerHook; the warm-up is over after an epoch, so only the
    # iterations that are asked for are visited from then on.
    last = max(wanted)
    for epoch in range(cfg.max_epochs):
        for index in range(per_epoch):
            iteration = epoch * per_epoch + index
            if iteration in wanted:
                found[iteration] = optim_wrapper.param_groups[0]['lr']
            if epoch == 0:
                optim_wrapper.optimizer.step()
                by_iter.step()
        by_epoch.step()
    assert last // per_epoch == cfg.max_epochs - 1
    assert found.keys() == wanted.keys()
    for iteration, value in wanted.items():
        assert abs(found[iteration] - value) < 1e-9 * value, f'iteration {iteration}'


def rgbd_schedule(model, name='adamw_100e_rgbd'):
    cfg = Config.fromfile(ROOT / f'configs/_base_/schedules/{name}.py')
    return cfg, build_optim_wrapper(model, cfg.optim_wrapper)


def test_adamw_100e_rgbd_is_a_cosine_per_epoch():
    cfg, optim_wrapper = rgbd_schedule(torch.nn.Linear(1, 1))
    (scheduler,) = (
        PARAM_SCHEDULERS.build(dict(optimizer=optim_wrapper, **one)) for one in cfg.param_scheduler
    )
    optim_wrapper.optimizer.step()
    for epoch in range(1, 101):
        expected = 1e-7 + 0.5 * (1e-3 - 1e-7) * (1 + math.cos(math.pi * (epoch - 1) / 100))
        assert abs(optim_wrapper.param_groups[0]['lr'] - expected) < 1e-10, epoch
        scheduler.step()
    assert cfg.train_cfg.max_epochs == 100


def weight_decays(name):
    """Of a small model: (number of axes, weight decay) of every parameter; and its optimiser."""
    layers = (torch.nn.Conv3d(2, 3, 1), torch.nn.BatchNorm3d(3), torch.nn.Linear(3, 2))
    model = torch.nn.Sequential(*layers)
    cfg, optim_wrapper = rgbd_schedule(model, name)
    decays = {
        (parameter.dim() > 1, group['weight_decay'])
        for group in optim_wrapper.optimizer.param_groups
        for parameter in group['params']
    }
    return decays, cfg, optim_wrapper.optimizer


def test_adamw_100e_rgbd_decays_matrices_only():
    decays, cfg, optimizer = weight_decays('adamw_100e_rgbd')
    assert decays == {(True, 0.05), (False, 0.0)}
    assert optimizer.defaults['betas'] == (0.9, 0.999) and optimizer.defaults['eps'] == 1e-8
    assert cfg.optim_wrapper.clip_grad == dict(max_norm=10, norm_type=2)


def test_sgd_250e_rgbd_decays_matrices_only_and_clips_nothing():
    decays, cfg, optimizer = weight_decays('sgd_250e_rgbd')
    assert decays == {(True, 5e-4), (False, 0.0)}
    assert optimizer.defaults['momentum'] == 0.9 and not optimizer.defaults['nesterov']
    assert 'clip_grad' not in cfg.optim_wrapper


def test_sgd_250e_rgbd_is_the_papers_polynomial():
    """lr 0.1 (1 - i / N)^0.9; mmengine divides by N - 1."""
    per_epoch = 198
    cfg, optim_wrapper = rgbd_schedule(torch.nn.Linear(1, 1), 'sgd_250e_rgbd')
    (scheduler,) = cfg.param_scheduler
    scheduler.pop('convert_to_iter_based')
    scheduler = PARAM_SCHEDULERS.get(scheduler.pop('type')).build_iter_from_epoch(
        optimizer=optim_wrapper, epoch_length=per_epoch, **scheduler
    )
    optim_wrapper.optimizer.step()
    total = cfg.max_epochs * per_epoch
    assert total == 49500
    for iteration in range(total - 1):
        if iteration % 4999 == 0:
            expected = 0.1 * (1 - iteration / total) ** 0.9
            found = optim_wrapper.param_groups[0]['lr']
            assert abs(found - expected) < 2e-3 * expected, iteration
        scheduler.step()
