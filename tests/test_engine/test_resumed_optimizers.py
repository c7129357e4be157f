"""Which optimisers and schedules a resumed training takes from a checkpoint, and which settings."""

from __future__ import annotations

import copy
from collections import Counter

import pytest
import torch
from mmengine.optim import MultiStepLR, OptimWrapperDict
from resume_checks import check, optimizer_after_a_step

from mmssc.engine.hooks import ResumeCheckHook
from mmssc.errors import DataError


def resume(runner, checkpoint, monkeypatch, wrapper):
    monkeypatch.setattr(runner, 'optim_wrapper', wrapper)
    monkeypatch.setattr(runner, 'param_schedulers', None)
    checkpoint['optimizer'] = copy.deepcopy(wrapper.state_dict())
    check(runner, checkpoint)


@pytest.mark.parametrize(
    'kind, options',
    [
        (torch.optim.SGD, dict(momentum=0.9)), (torch.optim.SGD, {}), (torch.optim.Adam, {}),
        (torch.optim.AdamW, dict(amsgrad=True)), (torch.optim.NAdam, {}), (torch.optim.RAdam, {}),
        (torch.optim.Adamax, {}), (torch.optim.Adagrad, {}), (torch.optim.Adadelta, {}),
        (torch.optim.RMSprop, dict(momentum=0.9, centered=True)), (torch.optim.Rprop, {}),
        (torch.optim.ASGD, {}),
    ],
)  # fmt: skip
def test_every_optimiser_fits_itself(runner, checkpoint, monkeypatch, kind, options):
    wrapper = optimizer_after_a_step(kind, lr=0.1, **options)
    resume(runner, checkpoint, monkeypatch, wrapper)


@pytest.mark.parametrize('kind, other', [
    (torch.optim.SGD, torch.optim.Adam), (torch.optim.Adam, torch.optim.SGD),
    (torch.optim.RMSprop, torch.optim.AdamW), (torch.optim.Adagrad, torch.optim.ASGD),
])  # fmt: skip
def test_the_state_of_another_optimiser_is_refused(runner, checkpoint, monkeypatch, kind, other):
    options = {torch.optim.SGD: dict(momentum=0.9)}
    wrapper = optimizer_after_a_step(kind, lr=0.1, **options.get(kind, {}))
    monkeypatch.setattr(runner, 'optim_wrapper', wrapper)
    monkeypatch.setattr(runner, 'param_schedulers', None)
    foreign = optimizer_after_a_step(other, lr=0.1, **options.get(other, {}))
    checkpoint['optimizer'] = copy.deepcopy(foreign.state_dict())
    with pytest.raises(DataError, match=f'expected the state of {kind.__name__}') as caught:
        check(runner, checkpoint)
    assert 'without --resume' in caught.value.hint


@pytest.mark.parametrize('settings', ['checkpoint', 'config'])
def test_settings_that_differ_are_named_or_kept(runner, checkpoint, monkeypatch, settings):
    warnings = []
    monkeypatch.setattr(runner.logger, 'warning', warnings.append)
    one = optimizer_after_a_step(lr=0.1, weight_decay=0.1)
    several = OptimWrapperDict(one=one, two=optimizer_after_a_step(lr=0.1))
    schedules = {
        'one': [MultiStepLR(one.optimizer, milestones=[2, 3], gamma=0.5)],
        'two': [],
    }
    monkeypatch.setattr(runner, 'optim_wrapper', several)
    monkeypatch.setattr(runner, 'param_schedulers', schedules)
    checkpoint['optimizer'] = copy.deepcopy(several.state_dict())
    checkpoint['optimizer']['one']['param_groups'][0].update(
        lr=0.02, initial_lr=0.02, betas=(0.0, 0.0)
    )
    checkpoint['optimizer']['two']['param_groups'][0].update(lr=0.3)
    (saved,) = (schedule.state_dict() for schedule in schedules['one'])
    saved = copy.deepcopy(saved)
    saved.update(milestones=Counter({4: 1}), last_step=2, _global_step=3)
    checkpoint['param_schedulers'] = dict(one=[saved], two=[])
    ResumeCheckHook(settings).after_load_checkpoint(runner, checkpoint)
    group = checkpoint['optimizer']['one']['param_groups'][0]
    if settings == 'config':
        # After two epochs the first milestone is passed.
        assert warnings == [] and group['lr'] == 0.05 and group['betas'] == (0.9, 0.999)
        assert checkpoint['optimizer']['two']['param_groups'][0]['lr'] == 0.1
        assert checkpoint['param_schedulers']['one'][0]['milestones'] == Counter({2: 1, 3: 1})
        assert checkpoint['param_schedulers']['one'][0]['last_step'] == 2
        return
    assert group['lr'] == 0.02
    changes = [
        ('optim_wrapper.one.optimizer.betas', '(0.0, 0.0)', '(0.9, 0.999)'),
        ('optim_wrapper.one.optimizer.lr', 0.02, 0.1),
        ('optim_wrapper.two.optimizer.lr', 0.3, 0.1),
        ('param_scheduler.one.0.milestones', '[4] epochs', '[2, 3] epochs'),
    ]
    expected = {
        f'--resume: {name} is {found} as in the checkpoint, not {own} as in the config'
        for name, found, own in changes
    }
    assert set(warnings[:-1]) == expected
    assert warnings[-1].endswith('add --resume-settings config')


def test_other_schedules_are_refused_unless_the_config_counts(runner, checkpoint, monkeypatch):
    wrapper = optimizer_after_a_step(lr=0.1)
    own = [MultiStepLR(wrapper.optimizer, milestones=[2, 3])]
    monkeypatch.setattr(runner, 'optim_wrapper', wrapper)
    monkeypatch.setattr(runner, 'param_schedulers', own)
    checkpoint['optimizer'] = copy.deepcopy(wrapper.state_dict())
    checkpoint['param_schedulers'] = []
    with pytest.raises(DataError, match='expected 1 schedules, as in the config') as caught:
        check(runner, checkpoint)
    assert '--resume-settings config' in caught.value.hint
    ResumeCheckHook('config').after_load_checkpoint(runner, checkpoint)
    assert len(checkpoint['param_schedulers']) == 1


def test_several_optimisers_are_checked(runner, checkpoint, monkeypatch):
    wrapper = OptimWrapperDict(one=optimizer_after_a_step(), two=optimizer_after_a_step())
    resume(runner, checkpoint, monkeypatch, wrapper)
    checkpoint['optimizer']['two']['state'][0]['exp_avg'] = torch.zeros(1)
    with pytest.raises(DataError, match='optimizer, two, state 0, exp_avg: expected shape'):
        check(runner, checkpoint)
    del checkpoint['optimizer']['two']
    with pytest.raises(DataError, match="expected optimisers 'one', 'two'"):
        check(runner, checkpoint)
