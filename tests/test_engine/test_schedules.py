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
