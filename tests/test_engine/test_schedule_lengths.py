"""A schedule that is shorter than the training, which has three epochs of three iterations."""

from __future__ import annotations

import sys
import uuid

import pytest
from mmengine.runner import Runner
from toy_training import TOYS, toy_config

from mmssc.engine.resumed_settings import overruled_settings
from mmssc.engine.schedule_lengths import how_to_train_longer, short_schedules

COSINE = dict(type='CosineAnnealingLR')
WARM_UP = dict(type='LinearLR', start_factor=0.1, begin=0, end=2, by_epoch=False)


@pytest.fixture
def build(tmp_path, monkeypatch):
    """A runner with these schedules, about to train."""
    monkeypatch.setattr(sys, 'path', [str(TOYS), *sys.path])

    def make(*schedules, **train_cfg):
        cfg = toy_config(tmp_path / uuid.uuid4().hex)
        cfg.param_scheduler = [*schedules]
        if train_cfg:
            cfg.train_cfg = train_cfg
        runner = Runner.from_cfg(cfg)
        runner._train_loop = runner.build_train_loop(runner._train_loop)
        runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
        runner.param_schedulers = runner.build_param_scheduler(runner.param_schedulers)
        return runner

    return make


@pytest.mark.parametrize(
    ('schedules', 'setting', 'remedy'),
    [
        ([dict(COSINE, T_max=2)], 'param_scheduler.0.T_max is 2', '0.T_max=3'),
        ([dict(COSINE, T_max=2, convert_to_iter_based=True)], '0.T_max is 2', '0.T_max=3'),
        ([dict(COSINE, T_max=5, by_epoch=False)], '9 iterations: after 5', '0.T_max=9'),
        ([WARM_UP, dict(COSINE, T_max=1, begin=1)], '1.T_max is 1', '1.T_max=2'),
        ([dict(COSINE, T_max=2, end=2)], '0.end is 2', '0.T_max=3 param_scheduler.0.end=3'),
        ([dict(COSINE, end=2)], 'the learning rate does not change', '0.end=3'),
        ([dict(type='PolyLR', end=2)], '0.end is 2, but the training has 3 epochs', '0.end=3'),
        ([dict(COSINE, T_max=1, end=2), dict(COSINE, begin=2)], '0.T_max is 1', '0.T_max=2'),
    ],
)  # fmt: skip
def test_a_schedule_that_is_too_short_is_named(build, schedules, setting, remedy):
    (line,) = short_schedules(build(*schedules))
    assert setting in line and line.endswith(f'--cfg-options param_scheduler.{remedy}')


def test_a_warm_up_that_does_not_end_is_named(build):
    (line,) = short_schedules(build(dict(WARM_UP, end=20), dict(COSINE, begin=1)))
    assert line.startswith('param_scheduler.0.end is 20, but the training has 9 iterations: ')
    assert 'the learning rate never reaches its full value' in line
    assert line.endswith(
        'To change this, add to your command: --cfg-options param_scheduler.0.end=1'
    )
    (line,) = short_schedules(build(dict(WARM_UP, end=5, by_epoch=True)))
    assert 'end is 5, but the training has 3 epochs' in line


def test_lengths_of_a_checkpoint_have_the_unit_of_the_config(build):
    cosine = dict(COSINE, convert_to_iter_based=True)
    runner = build(cosine, dict(type='LinearLR', by_epoch=False, end=4))
    states = [one.state_dict() for one in runner.param_schedulers]
    states[0] = {**states[0], 'end': 15, 'T_max': 15}
    states[1] = {**states[1], 'end': 8}
    lines = overruled_settings(runner, dict(param_schedulers=states))
    start, default = '--resume: param_scheduler.', ', the length of the training'
    assert sorted(lines) == [
        f'{start}0.T_max is 5 epochs as in the checkpoint, not 3 epochs{default}',
        f'{start}0.end is 5 epochs as in the checkpoint, not 3 epochs{default}',
        f'{start}1.end is 8 iterations as in the checkpoint, not 4 iterations as in the config',
    ]


@pytest.mark.parametrize(
    'schedules',
    [
        [],
        [COSINE],
        [dict(COSINE, T_max=3)],
        [dict(COSINE, T_max=48)],
        [WARM_UP],
        [WARM_UP, dict(COSINE, T_max=2, begin=1)],
        [dict(COSINE, T_max=2, end=2), dict(COSINE, T_max=1, begin=2)],
        [dict(type='MultiStepLR', milestones=[1, 2])],
    ],
)
def test_a_schedule_that_fits_is_not_mentioned(build, schedules):
    assert not short_schedules(build(*schedules))


def test_iterations_are_compared_with_iterations(build):
    train_cfg = dict(type='IterBasedTrainLoop', max_iters=6)
    runner = build(dict(COSINE, T_max=4, by_epoch=False), **train_cfg)
    (line,) = short_schedules(runner)
    assert '0.T_max is 4, but the training has 6 iterations' in line
    runner = build(dict(COSINE, T_max=6, end=6, by_epoch=False), **train_cfg)
    assert not short_schedules(runner)
    longer = 'train_cfg.max_iters=N param_scheduler.0.T_max=N param_scheduler.0.end=N'
    assert how_to_train_longer(runner, 'iter').endswith(longer)


def test_a_longer_training_needs_longer_schedules(build):
    runner = build(WARM_UP, dict(COSINE, T_max=3))
    expected = '--resume-settings config --cfg-options train_cfg.max_epochs=N '
    assert how_to_train_longer(runner, 'epoch').endswith(f'{expected}param_scheduler.1.T_max=N')
    assert how_to_train_longer(build(COSINE), 'epoch').endswith(expected.strip())
