"""What counts as a dead training, and when it is looked for. tests/test_tools runs the command."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import CheckpointHook
from mmengine.model import ExponentialMovingAverage
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import nn

from mmssc.engine.hooks import FiniteCheckHook
from mmssc.errors import DataError, NotFiniteError


@pytest.fixture
def runner():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1))
    warnings = []
    logger = SimpleNamespace(warning=warnings.append)
    return SimpleNamespace(
        model=model, optim_wrapper=wrapper, iter=4, max_iters=100, hooks=[], logger=logger,
        warnings=warnings,
    )  # fmt: skip


@pytest.mark.parametrize(
    'losses, text',
    [
        (dict(loss=torch.tensor(float('nan')), loss_a=1.0, loss_b=float('nan')), 'loss_b is nan'),
        (dict(loss=float('inf'), loss_a=1e38, loss_b=1e38), 'loss is inf'),
        (dict(loss=float('-inf')), 'loss is -inf'),
        (dict(loss=1.0, loss_disc=float('nan')), 'loss_disc is nan'),
    ],
)
def test_the_first_bad_term_is_named(runner, losses, text):
    with pytest.raises(NotFiniteError, match=f'iteration 5: {text}. Nothing was saved after it'):
        FiniteCheckHook().after_train_iter(runner, 0, outputs=losses)


def test_what_is_no_loss_may_be_nan(runner):
    hook = FiniteCheckHook()
    hook.after_train_iter(runner, 0, outputs=dict(loss=torch.tensor(1.0), car_iou=float('nan')))
    hook.after_train_iter(runner, 0, outputs=None)


def test_infinite_gradients_are_left_to_loss_scaling(runner):
    for parameter in runner.model.parameters():
        parameter.grad = torch.full_like(parameter, float('inf'))
    runner.optim_wrapper.loss_scaler = SimpleNamespace(
        is_enabled=lambda: True, get_scale=lambda: 64.0
    )
    FiniteCheckHook().after_train_epoch(runner)


@pytest.mark.parametrize('several', [False, True])
def test_a_loss_scale_that_has_vanished_stops_the_training(runner, several):
    runner.optim_wrapper.loss_scaler = SimpleNamespace(
        is_enabled=lambda: True, get_scale=lambda: 2.0**-20
    )
    if several:
        runner.optim_wrapper = OptimWrapperDict(one=runner.optim_wrapper)
    with pytest.raises(NotFiniteError, match='the loss scale is 9.53674e-07, because no gradient'):
        FiniteCheckHook().before_val_epoch(runner)


@pytest.mark.parametrize('name', ['0.weight', '1.running_var'])
def test_weights_and_statistics_are_finite_before_they_are_saved(runner, name):
    runner.model.register_buffer('mask', torch.tensor([0.0, float('-inf')]))  # on purpose
    hook = FiniteCheckHook()
    hook.after_train_epoch(runner)
    runner.model.state_dict()[name].view(-1)[0] = float('nan')
    hook.after_train_iter(runner, 0, outputs=dict(loss=1.0))  # nothing is saved now
    with pytest.raises(NotFiniteError, match=f'the weight {name} is NaN or infinite'):
        hook.after_train_epoch(runner)
    runner.hooks = [CheckpointHook(interval=5, by_epoch=False)]
    with pytest.raises(NotFiniteError, match='Last checkpoint: none'):
        FiniteCheckHook().after_train_iter(runner, 0, outputs=dict(loss=1.0))


def test_going_on_is_said_once(runner):
    hook = FiniteCheckHook(stop=False)
    for _ in range(3):
        hook.after_train_iter(runner, 0, outputs=dict(loss=float('nan')))
    (text,) = runner.warnings
    assert 'iteration 5: loss is nan. The training goes on' in text


def test_the_setting_is_a_switch():
    with pytest.raises(DataError, match="stop_at_nan: expected True or False, found 'no'"):
        FiniteCheckHook(stop='no')


def test_averaged_weights_are_finite_before_they_are_saved(runner):
    average = ExponentialMovingAverage(runner.model)
    runner.hooks = [SimpleNamespace(ema_model=average)]
    FiniteCheckHook().after_train_epoch(runner)
    average.module[0].bias.data[0] = float('nan')
    with pytest.raises(NotFiniteError, match='of the moving average, the weight 0.bias is NaN'):
        FiniteCheckHook().after_train_epoch(runner)
