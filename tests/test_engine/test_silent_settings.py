"""Settings that mmengine takes without a word: the log of a training says what they do."""

from __future__ import annotations

import sys
import uuid

import pytest
from mmengine.runner import Runner
from toy_training import TOYS, toy_config

from mmssc.engine.hooks import CustomKeysHook, ValidationCheckHook

KEYS = 'optim_wrapper.paramwise_cfg.custom_keys: '


@pytest.fixture
def lines_of(tmp_path, monkeypatch):
    """The warnings of a hook at the start of the toy training, which has three epochs."""
    monkeypatch.setattr(sys, 'path', [str(TOYS), *sys.path])

    def collect(hook, **settings):
        cfg = toy_config(tmp_path / uuid.uuid4().hex)
        if 'max_iters' in settings.get('train_cfg', {}):
            cfg.train_cfg.pop('max_epochs')
        cfg.merge_from_dict(settings)
        runner = Runner.from_cfg(cfg)
        runner._train_loop = runner.build_train_loop(runner._train_loop)
        if runner._val_loop is not None:
            runner._val_loop = runner.build_val_loop(runner._val_loop)
        lines = []
        monkeypatch.setattr(runner.logger, 'warning', lines.append)
        hook().before_train(runner)
        return lines

    return collect


@pytest.mark.parametrize(
    ('key', 'remedy'),
    [
        ('layrs.', 'Did you mean layers?'),
        ('layers.0.wieght', 'Did you mean layers.0.weight?'),
        ('backbone', 'The parts of the model are layers'),
    ],
)
def test_a_key_that_matches_no_parameter_is_named(lines_of, key, remedy):
    keys = {key: dict(lr_mult=0.1), 'layers.0': dict(lr_mult=2.0), 'bias': dict(decay_mult=0.0)}
    lines = lines_of(CustomKeysHook, optim_wrapper=dict(paramwise_cfg=dict(custom_keys=keys)))
    begin = f'{KEYS}{key} matches no parameter of the model, so it changes nothing. '
    assert lines == [begin + remedy]


def test_a_constructor_of_a_project_may_read_patterns(lines_of):
    wrapper = dict(
        constructor='Mine', paramwise_cfg=dict(custom_keys={r'layers\.\d': {}, 'x.*': {}})
    )
    (line,) = lines_of(CustomKeysHook, optim_wrapper=wrapper)
    assert line.startswith(f'{KEYS}x.* matches no parameter')
    wrapper['constructor'] = 'DefaultOptimWrapperConstructor'
    assert len(lines_of(CustomKeysHook, optim_wrapper=wrapper)) == 2


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (dict(train_cfg=dict(val_begin=4)), 'train_cfg.val_begin is 4, but the training has 3'),
        (
            dict(train_cfg=dict(val_begin=4)),
            'it never validates; save_best (ssc/SSC_mIoU) keeps no checkpoint',
        ),
        (
            dict(train_cfg=dict(val_interval=4)),
            'val_interval is 4, but the training has 3 epochs: it validates at the end at most',
        ),
        (
            dict(train_cfg=dict(type='IterBasedTrainLoop', max_iters=9, val_interval=1000)),
            'val_interval is 1000, but the training has 9 iterations',
        ),
        (
            dict(val_cfg=None, val_dataloader=None, val_evaluator=None),
            'The config has no validation (val_cfg, val_dataloader); save_best (ssc/SSC_mIoU)',
        ),
        (  # No second line says which score chooses the best.
            dict(
                train_cfg=dict(val_begin=9), default_hooks=dict(checkpoint=dict(save_best='auto'))
            ),
            'it never validates; save_best (auto) keeps no checkpoint',
        ),
        (
            dict(default_hooks=dict(checkpoint=dict(save_begin=4))),
            'save_begin of CheckpointHook is 4, but the training has 3 epochs',
        ),
        (
            dict(default_hooks=dict(checkpoint=dict(save_best='auto'))),
            "keeps the best by ssc/SC_Precision. To keep the best by ssc/SSC_mIoU, "
            "set save_best='ssc/SSC_mIoU'",
        ),
    ],
)  # fmt: skip
def test_a_validation_that_comes_too_late_is_said(lines_of, settings, message):
    (line,) = lines_of(ValidationCheckHook, **settings)
    assert message in line


@pytest.mark.parametrize(
    'settings',
    [
        {},
        dict(train_cfg=dict(val_begin=3, val_interval=3)),
        dict(train_cfg=dict(val_interval=9, dynamic_intervals=[(2, 1)])),
        dict(train_cfg=dict(type='IterBasedTrainLoop', max_iters=9, val_interval=3)),
    ],
)
def test_a_usual_training_has_no_warning(lines_of, settings):
    assert not lines_of(ValidationCheckHook, **settings)
    assert not lines_of(CustomKeysHook, **settings)
