"""Which parts of a checkpoint a resumed training accepts. tests/test_tools runs the command."""

from __future__ import annotations

import copy
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.hooks import CheckpointHook
from mmengine.optim import (
    MultiStepLR,
    OneCycleLR,
    ReduceOnPlateauLR,
)
from mmengine.runner import Runner
from resume_checks import check, optimizer_after_a_step

from mmssc.compat import load_checkpoint_file
from mmssc.errors import DataError


def test_a_checkpoint_of_this_training_passes_unchanged(runner, checkpoint):
    before = copy.deepcopy(checkpoint)
    check(runner, checkpoint)
    for part in ('meta', 'param_schedulers'):
        assert checkpoint[part] == before[part]
    assert checkpoint['optimizer']['param_groups'] == before['optimizer']['param_groups']
    found, expected = (one['message_hub']['runtime_info'] for one in (checkpoint, before))
    assert dict(found) == dict(expected) and Path(found['best_ckpt']).is_file()
    assert found['keep_ckpt_ids'] == [1, 2]


def test_weights_of_another_model_are_refused(runner, checkpoint):
    checkpoint['state_dict']['layers.0.weight'] = torch.zeros(16, 1, 3, 3, 3)
    with pytest.raises(DataError, match='shape of layers.0.weight: expected .8, 1') as caught:
        check(runner, checkpoint)
    assert f'load_from={runner._load_from}' in caught.value.hint
    del checkpoint['state_dict']['layers.0.weight']
    with pytest.raises(DataError, match='weights: expected those of InstantCompletor .*1 missing'):
        check(runner, checkpoint)


PARTS = dict(meta=r'progress \(epoch and iteration\)', message_hub='log of the training')


@pytest.mark.parametrize('part', PARTS)
def test_weights_alone_are_no_state_of_a_training(runner, checkpoint, part, monkeypatch):
    warnings = []
    monkeypatch.setattr(runner.logger, 'warning', warnings.append)
    del checkpoint[part], checkpoint['optimizer'], checkpoint['param_schedulers']
    expected = f'{PARTS[part]}: expected the state of a training'
    with pytest.raises(DataError, match=expected) as caught:
        check(runner, checkpoint)
    assert f'load_from={runner._load_from}' in caught.value.hint
    assert not warnings, 'the error says enough'


def test_an_optimiser_that_was_not_stored_starts_anew_and_says_so(runner, checkpoint, monkeypatch):
    """As in mmengine's best checkpoints, and with ``save_optimizer=False``."""
    warnings = []
    monkeypatch.setattr(runner.logger, 'warning', warnings.append)
    del checkpoint['optimizer'], checkpoint['param_schedulers']
    check(runner, checkpoint)
    assert warnings == [
        f'{runner._load_from} has no optimiser state: the optimiser starts from scratch',
        f'{runner._load_from} has no state of the schedules: they start from the beginning',
    ]
    checkpoint['optimizer'] = [1]
    with pytest.raises(DataError, match='optimiser: expected the state of a training'):
        check(runner, checkpoint)


def set_progress(name, value):
    return lambda content: content['meta'].update({name: value})


def set_information(name, value):
    return lambda content: content['message_hub'].update({name: value})


def set_state(name, value):
    return lambda content: content['optimizer']['state'][0].update({name: value})


def set_optimizer(name, value):
    return lambda content: content['optimizer'].update({name: value})


def set_group(name, value):
    return lambda content: content['optimizer']['param_groups'][0].update({name: value})


def set_schedule(name, value):
    return lambda content: content['param_schedulers'][0].update({name: value})


@pytest.mark.parametrize(
    'change, message',
    [
        (set_progress('epoch', -1), 'meta, epoch: expected a number from 0 to'),
        (set_progress('epoch', 4), 'meta, epoch: expected at most 3, where this training ends'),
        (set_progress('epoch', 'two'), 'meta, epoch: expected a number, found a value of type'),
        (set_progress('iter', 10**30), r'meta, iter: expected a number from 0 to 2\*\*40'),
        (set_progress('iter', None), 'meta, iter: expected a number, found none'),
        (set_progress('seed', [1]), 'meta, seed: expected a number'),
        (set_progress('seed', -5), r'meta, seed: expected a number from 0 to 2\*\*32'),
        (set_information('log_scalars', [1]), 'log of the training, log_scalars: expected a dict'),
        (set_information('runtime_info', None), 'log of the training, runtime_info: expected a'),
        (set_information('resumed_keys', {1: True}), 'log of the training, resumed_keys: exp'),
        (set_optimizer('param_groups', 3), 'optimizer, param_groups: expected a list of dicts'),
        (set_optimizer('param_groups', []), r'groups of \[6\] parameters, found 0 groups'),
        (set_optimizer('param_groups', [{'params': [0, 0]}]), 'found 1 groups, with other param'),
        (set_optimizer('state', [1]), 'optimizer, state: expected a dict'),
        (set_optimizer('state', {9: {}}), 'state: expected numbers from 0 to 5, found 9'),
        (set_optimizer('state', {0: 1}), 'optimizer, state 0: expected a dict'),
        (set_state('exp_avg', torch.zeros(1)), r'exp_avg: expected shape \(8, 1, 3, 3, 3\)'),
        (set_state('exp_avg_sq', torch.zeros(2, 3)), r'exp_avg_sq: expected .*, found shape'),
        (set_state('another', torch.zeros(())), 'another: expected shape'),
        (set_state('step', torch.zeros(0)), 'step: expected 1 element'),
        (set_state('step', torch.zeros(8, 1, 3, 3, 3)), 'step: expected 1 element, found shape'),
        (set_state('exp_avg', 5), 'exp_avg: expected shape .*, found a value of type int'),
        (set_schedule('param_name', 'fused'), "param_name: expected 'lr', found 'fused'"),
        (set_schedule('begin', 'a'), 'begin: expected something like 0, found a value of type str'),
        (set_schedule('begin', 10**30), 'begin: expected something like 0'),
        (set_schedule('base_values', [torch.rand(9, 1)]), 'base_values: expected something like'),
        (set_schedule('base_values', ['ab']), 'base_values: expected something like'),
        (set_schedule('base_values', [0.1, 0.1]), r'base_values: expected something like \[0.01'),
        (set_group('lr', torch.rand(9, 1)), 'lr: expected something like'),
        (set_group('betas', (0.9, 'a')), 'betas: expected something like'),
        (set_group('params', torch.zeros(2)), 'found 1 groups, with other parameters'),
        (set_state('exp_avg', torch.zeros(8, 1, 3, 3, 3, dtype=torch.int8)), 'floating-point'),
        (set_optimizer('state', {0: dict.fromkeys(map(str, range(21)))}), 'at most 20 entries'),
        (lambda content: content.update(param_schedulers={}), 'expected a list of schedules'),
        (lambda content: content.update(param_schedulers=[1]), 'expected a list of schedules'),
        (lambda content: content.update(param_schedulers=None), 'expected a list of schedules'),
        (lambda content: content.update(param_schedulers=[]), 'expected [0-9] schedules, as in'),
        (lambda content: content['param_schedulers'].append({}), 'expected [0-9] schedules, as'),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(runner, checkpoint, change, message):
    change(checkpoint)
    with pytest.raises(DataError, match=message):
        check(runner, checkpoint)


def test_the_config_chooses_the_compiled_code(runner, checkpoint):
    group = checkpoint['optimizer']['param_groups'][0]
    own = runner.optim_wrapper.optimizer.param_groups[0]
    group.update(fused=True, foreach=True, capturable=True, differentiable=True)
    check(runner, checkpoint)
    for name in ('fused', 'foreach', 'capturable', 'differentiable'):
        assert group.get(name) == own.get(name)


def test_a_schedule_takes_no_functions_and_nothing_unknown(runner, checkpoint):
    schedule = checkpoint['param_schedulers'][0]
    before = dict(schedule)
    schedule.update(step=5, get_last_value=5, optimizer=5)
    check(runner, checkpoint)
    assert schedule == before


@pytest.mark.parametrize('protocol', [2, 4])
def test_a_one_cycle_schedule_keeps_its_curve(runner, checkpoint, monkeypatch, tmp_path, protocol):
    """mmengine stores the function of its curve, too, by its name."""
    optimizer = optimizer_after_a_step().optimizer
    one = OneCycleLR(optimizer, eta_max=0.1, total_steps=10)
    for _ in range(3):
        one.step()
    checkpoint['param_schedulers'] = [one.state_dict()]
    torch.save(checkpoint, tmp_path / 'one.pth', pickle_protocol=protocol)
    loaded = load_checkpoint_file(tmp_path / 'one.pth')
    other = OneCycleLR(optimizer, eta_max=0.1, total_steps=10)
    monkeypatch.setattr(runner, 'param_schedulers', [other])
    check(runner, loaded)
    other.load_state_dict(loaded['param_schedulers'][0])
    assert other.last_step == 3 and other.get_last_value() == one.get_last_value()
    one.step()
    other.step()
    assert other.get_last_value() == one.get_last_value()


def test_settings_of_another_version_of_torch_are_filled_in(runner, checkpoint):
    group = checkpoint['optimizer']['param_groups'][0]
    before = dict(group)
    del group['amsgrad']
    group['no_such_setting'] = 1
    check(runner, checkpoint)
    assert {name: group[name] for name in before} == before and set(group) >= set(before)
    assert 'no_such_setting' not in group


@pytest.mark.parametrize('number', [np.float32(20), torch.tensor(20.0), 20])
def test_a_metric_may_be_a_number_of_any_kind(runner, checkpoint, monkeypatch, number):
    own = ReduceOnPlateauLR(optimizer_after_a_step().optimizer, monitor='a', rule='greater')
    monkeypatch.setattr(runner, 'param_schedulers', [own])
    checkpoint['param_schedulers'] = [{**own.state_dict(), 'best': number}]
    check(runner, checkpoint)
    assert checkpoint['param_schedulers'][0]['best'] == 20


@pytest.mark.parametrize(
    'change, message',
    [
        (dict(gamma=3), None),
        (dict(milestones=Counter({2: 10**9})), 'milestones: expected something like'),
        (dict(milestones=[2]), 'milestones: expected something like'),
    ],
)
def test_milestones_are_counted_once(runner, checkpoint, monkeypatch, change, message):
    """mmengine raises gamma to the power of the count; whole numbers grow without end."""
    own = MultiStepLR(optimizer_after_a_step().optimizer, milestones=[2, 3])
    monkeypatch.setattr(runner, 'param_schedulers', [own])
    checkpoint['param_schedulers'] = [{**own.state_dict(), **change}]
    if message is None:
        check(runner, checkpoint)
        assert type(checkpoint['param_schedulers'][0]['gamma']) is float
        return
    with pytest.raises(DataError, match=message):
        check(runner, checkpoint)


def test_the_log_has_a_bounded_number_of_entries(runner, checkpoint):
    hub = checkpoint['message_hub']
    hub['log_scalars']['no history'] = [1]
    hub['resumed_keys'].update({'no history': True, 'nothing': True})
    hub['runtime_info']['best_score'] = 'x'
    check(runner, checkpoint)
    assert 'no history' not in hub['log_scalars'] and 'best_score' not in hub['runtime_info']
    assert not {'no history', 'nothing', 'best_score'} & set(hub['resumed_keys'])
    hub['runtime_info'].update({f'x{number}': None for number in range(10_001)})
    with pytest.raises(DataError, match='runtime_info: expected at most 10000 entries'):
        check(runner, checkpoint)


def test_only_files_of_this_run_are_its_own(runner, checkpoint, saved, tmp_path):
    """mmengine deletes what a checkpoint calls its best and its older files."""
    information = checkpoint['message_hub']['runtime_info']
    best = information['best_ckpt']
    for path in (tmp_path, tmp_path / 'best_a.pth', saved, saved / 'epoch_1.pth', '', 5, ['a']):
        (tmp_path / 'best_a.pth').touch()
        information['best_ckpt'] = str(path) if isinstance(path, Path) else path
        check(runner, checkpoint)
        assert 'best_ckpt' not in information
    information.update(best_ckpt=f'/elsewhere/{Path(best).name}', keep_ckpt_ids=[1, '../x', -1, 99])
    check(runner, checkpoint)
    assert information['best_ckpt'] == best, 'the folder was moved, its files belong to the run'
    assert information['keep_ckpt_ids'] == [1]


def test_a_checkpoint_from_elsewhere_owns_nothing(runner, checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(runner, '_load_from', str(tmp_path / 'epoch_2.pth'))
    check(runner, checkpoint)
    information = checkpoint['message_hub']['runtime_info']
    assert not {'best_ckpt', 'keep_ckpt_ids'} & set(information)
    assert 'best_score' in information


def test_the_newest_checkpoint_of_the_folder_owns_its_files(runner, checkpoint, monkeypatch):
    """mmengine looks for it where the config says resume and names none."""
    monkeypatch.setattr(runner, '_load_from', None)
    before = dict(checkpoint['message_hub']['runtime_info'])
    check(runner, checkpoint)
    assert dict(checkpoint['message_hub']['runtime_info']) == before


def test_checkpoints_in_the_folder_out_dir_belong_to_the_run(
    runner, checkpoint, tmp_path, monkeypatch
):
    (hook,) = [hook for hook in runner.hooks if isinstance(hook, CheckpointHook)]
    monkeypatch.setattr(hook, 'out_dir', str(tmp_path))
    folder = tmp_path / Path(runner.work_dir).name
    folder.mkdir()
    (folder / 'best_a.pth').touch()
    monkeypatch.setattr(runner, '_load_from', str(folder / 'epoch_2.pth'))
    information = checkpoint['message_hub']['runtime_info']
    information['best_ckpt'] = str(folder / 'best_a.pth')
    check(runner, checkpoint)
    assert information['best_ckpt'] == str(folder / 'best_a.pth')


def test_without_resuming_only_the_weights_are_used(runner, monkeypatch):
    monkeypatch.setattr(runner, '_resume', False)
    check(runner, dict(state_dict={}))


def test_iterations_end_where_the_training_ends(runner, checkpoint, monkeypatch):
    """mmengine goes through the data up to there, one batch after the other."""
    monkeypatch.setattr(Runner, 'train_loop', SimpleNamespace())
    monkeypatch.setattr(Runner, 'max_iters', 100)
    checkpoint['meta']['iter'] = 10**12
    with pytest.raises(DataError, match='meta, iter: expected at most 100') as caught:
        check(runner, checkpoint)
    assert 'train_cfg.max_iters=N' in caught.value.hint
    checkpoint['meta']['iter'] = 100
    check(runner, checkpoint)
