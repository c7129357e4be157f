import re
from typing import Union

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook

from mmssc.apis import read_config
from mmssc.config_file import read_config_file
from mmssc.config_values import check_custom_imports, check_values
from mmssc.errors import DataError

SETTINGS = dict(
    train_dataloader=dict(batch_size=2, sampler=dict(type='DefaultSampler', shuffle=True)),
    val_dataloader=[dict(batch_size=1, sampler=dict(type='DefaultSampler'))],
    val_evaluator=dict(type='SSCMetric'),
    default_hooks=dict(checkpoint=dict(type='CheckpointHook')),
    optim_wrapper=dict(
        type='OptimWrapper', optimizer=dict(type='AdamW', lr=0.1), clip_grad=dict(max_norm=3),
        paramwise_cfg=dict(custom_keys={'backbone.': dict(lr_mult=0.1)}),
    ),
    param_scheduler=[dict(type='CosineAnnealingLR', T_max=3)],
    train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=3),
    env_cfg=dict(cudnn_benchmark=False), stop_at_nan=True, own='no',
)  # fmt: skip


def read(**options):
    return read_config(Config(SETTINGS), options)


def value_of(key, text):
    value = read(**{key: text})
    for name in key.split('.'):
        value = value[int(name)] if isinstance(value, list) else value[name]
    return value


@pytest.mark.parametrize(
    'key',
    [
        'train_dataloader.sampler.shuffle', 'train_dataloader.sampler.round_up',
        'val_dataloader.0.sampler.shuffle', 'train_dataloader.drop_last', 'stop_at_nan',
        'val_evaluator.format_only', 'default_hooks.checkpoint.by_epoch',
        'randomness.deterministic', 'env_cfg.cudnn_benchmark', 'find_unused_parameters',
        'auto_scale_lr.enable', 'resume', 'param_scheduler.0.by_epoch',
    ],
)  # fmt: skip
def test_words_are_read_where_a_class_takes_a_switch(key):
    for word in ('no', 'Off', 'false', 'False', False):
        assert value_of(key, word) is False
    for word in ('yes', 'ON', 'True', True):
        assert value_of(key, word) is True
    for word in ('none', 'abc', 'nope'):
        with pytest.raises(DataError, match=f'--cfg-options: {key}.*: expected True or False, fo'):
            read(**{key: word})


def test_words_are_read_where_a_class_takes_a_switch_or_a_size():
    # Its class refuses other words.
    assert value_of('val_evaluator.field_of_view', 'no') is False
    assert value_of('val_evaluator.field_of_view', 'yes') is True


def test_words_are_text_where_a_class_takes_text():
    cfg = read(**{'val_evaluator.prefix': 'no', 'work_dir': 'on', 'model.name': 'off'})
    assert (cfg.val_evaluator.prefix, cfg.work_dir, cfg.model.name) == ('no', 'on', 'off')
    assert cfg.own == 'no'
    # A switch that is a dict when it is on.
    assert read(compile=dict(backend='x')).compile == dict(backend='x')


def test_words_in_a_config_file_and_in_a_dict_are_read(tmp_path):
    (tmp_path / 'a.py').write_text(
        "train_dataloader = dict(sampler=dict(type='DefaultSampler', shuffle='no'))\n"
    )
    assert read_config_file(tmp_path / 'a.py').train_dataloader.sampler.shuffle is False
    cfg = read(custom_hooks=[dict(type='CheckpointHook', by_epoch='no')])
    assert cfg.custom_hooks[0].by_epoch is False


@pytest.mark.parametrize(
    ('key', 'value', 'message'),
    [
        ('optim_wrapper.optimizer.lr', 'abc', "a number, found 'abc'"),
        ('optim_wrapper.accumulative_counts', 'abc', 'a number'),
        ('default_hooks.checkpoint.max_keep_ckpts', 'abc', 'a number'),
        ('param_scheduler.0.T_max', 'abc', 'a number'),
        ('train_dataloader.num_workers', 'abc', 'a number'),
        ('train_cfg.max_epochs', 'abc', 'a number'),
        ('train_cfg.max_epochs', -1, 'a whole number of 1 or more, found -1'),
        ('train_cfg.max_epochs', 1.5, 'a whole number of 1 or more, found 1.5'),
        ('train_cfg.max_iters', 0, 'a whole number of 1 or more'),
        ('train_cfg.val_interval', 0, 'a whole number of 1 or more'),
        ('train_dataloader.batch_size', 0, 'a whole number of 1 or more'),
        ('train_dataloader.batch_size', True, 'a whole number of 1 or more'),
        ('test_dataloader.num_workers', -1, 'a whole number of 0 or more'),
        ('optim_wrapper.clip_grad.max_norm', -1, 'a number above 0, found -1'),
        ('optim_wrapper.clip_grad.max_norm', float('nan'), 'a number above 0, found nan'),
        ('optim_wrapper.accumulative_counts', 0, 'a whole number of 1 or more, found 0'),
        ('randomness.seed', -1, 'a whole number of 0 or more, found -1'),
        ('default_hooks.checkpoint.out_dir', 2024, 'text, found 2024. Put it in quotes'),
        ('val_evaluator.prefix', 1, 'text, found 1. Put it in quotes'),
        ('custom_hooks', dict(type='EMAHook'), 'a list of hooks, .*Put the hooks in brackets'),
        ('custom_hooks', 'EMAHook', "a list of hooks, found 'EMAHook'"),
        ('env_cfg.mp_cfg.mp_start_metho', 'x', 'an entry of env_cfg.mp_cfg .*mp_start_method?'),
        ('env_cfg.dist_cfg.tmeout', 60, 'an entry of env_cfg.dist_cfg .*Did you mean timeout?'),
        ('env_cfg.dist_cfg.timeout', 'long', "a number, found 'long'"),
        ('randomness.sed', 1, 'an entry of randomness .*Did you mean seed?'),
        ('env_cfg.cudnn_benchmrk', True, 'an entry of env_cfg .*Did you mean cudnn_benchmark?'),
        ('auto_scale_lr.base_batch', 4, 'an entry of auto_scale_lr .*Did you mean base_batch_size'),
        ('optim_wrapper.paramwise_cfg.norm_decay', 0, 'an entry of .*Did you mean norm_decay_mult'),
        ('optim_wrapper.paramwise_cfg.custom_keys.x', dict(lr_mul=2), 'an entry .* mean lr_mult?'),
        ('train_dataloader.batchsize', 2, 'an entry of train_dataloader .* mean batch_size?'),
        ('test_dataloader.nm_workers', 2, 'an entry of test_dataloader .* mean num_workers?'),
        ('log_level', 'INF', "one of CRITICAL, .*, NOTSET, found 'INF'. Did you mean INFO?"),
        ('log_level', float('inf'), 'one of CRITICAL, .*, NOTSET, found inf. Did you mean INFO?'),
        ('log_level', 'info', "one of CRITICAL, .*, NOTSET, found 'info'. Did you mean INFO?"),
        ('env_cfg.mp_cfg.mp_start_method', 'frok', "one of .*, found 'frok'. Did you mean fork?"),
        ('optim_wrapper.generator.paramwise_cfg.a', 1, 'an entry of .*, found a'),
    ],
)  # fmt: skip
def test_wrong_values_are_named(tmp_path, key, value, message):
    with pytest.raises(DataError, match=f'^--cfg-options: {key}.*: expected {message}'):
        read(**{key: value})
    cfg = Config(SETTINGS)
    cfg.merge_from_dict({key: value})
    if isinstance(value, str) and 'number' in message:
        return  # The text of a config file is checked when it is used.
    with pytest.raises(DataError, match=rf'^my.py: {key}.*: expected {message}'):
        check_values(cfg, file='my.py')


def test_whole_numbers_may_be_written_with_a_point_or_an_exponent():
    cfg = read(**{'randomness.seed': 1e3, 'train_dataloader.batch_size': 2.0, 'experiment_name': 7})
    assert repr([cfg.randomness.seed, cfg.train_dataloader.batch_size]) == '[1000, 2]'


def test_an_own_constructor_has_own_entries():
    cfg = read(**{'optim_wrapper.constructor': 'Mine', 'optim_wrapper.paramwise_cfg.mine': 1})
    assert cfg.optim_wrapper.paramwise_cfg.mine == 1


def test_what_is_not_known_passes():
    more = {'model.type': 'NoSuchModel', 'model.flag': 'yes',
            'custom_hooks': [dict(type='No', a='b')],
            'train_dataloader.collate_fn.type': 'pseudo_collate'}  # fmt: skip
    assert read(**more).model.flag == 'yes'


@pytest.mark.parametrize(
    ('key', 'value'),
    [
        ('log_level', 'WARN'),
        ('log_level', 'DEBUG'),
        ('log_level', 10),
        ('train_dataloader.num_batch_per_epoch', 3),
        ('train_dataloader.prefetch_factor', 2),
    ],
)
def test_known_names_pass(key, value):
    read(**{key: value})


def test_a_runner_of_a_project_reads_other_entries():
    read(**{'runner_type': 'Mine', 'train_dataloader.mine': 1})


class OwnHook(Hook):
    def __init__(self, mode: Union[str, bool] = True) -> None:
        self.mode = mode


def test_text_stays_where_a_class_takes_text_or_a_switch():
    cfg = Config(dict(custom_hooks=[dict(type=OwnHook, mode='on')]))
    check_values(cfg)
    assert cfg.custom_hooks[0].mode == 'on'


def test_text_replaces_a_switch_where_a_class_takes_both():
    neck = dict(type='mmdet.FPN', in_channels=[8], out_channels=8, num_outs=1)
    cfg = Config(dict(
        model=dict(type='SGN', neck=dict(neck, add_extra_convs=False, start_level=0)),
        custom_hooks=[dict(type=OwnHook, mode=False)], sync_bn=False, own=False,
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', by_epoch=True)),
    ))  # fmt: skip
    for key, text in (
        ('model.neck.add_extra_convs', 'on_input'), ('sync_bn', 'torch'),
        ('custom_hooks.0.mode', 'auto'),
    ):  # fmt: skip
        value = read_config(cfg, {key: text})
        for name in key.split('.'):
            value = value[int(name)] if isinstance(value, list) else value[name]
        assert value == text
    off = read_config(cfg, {'model.neck.add_extra_convs': 'off'})
    assert off.model.neck.add_extra_convs is False
    for key, value in (
        ('default_hooks.checkpoint.by_epoch', 'maybe'), ('default_hooks.checkpoint.by_epoch', 2),
        ('sync_bn', 2), ('custom_hooks.0.mode', 2),
    ):  # fmt: skip
        with pytest.raises(DataError, match=f'^--cfg-options: {key}.*: expected True or False, fo'):
            read_config(cfg, {key: value})
    refused = pytest.raises(DataError, match="own=x: expected True or False, found 'x'")
    with pytest.warns(UserWarning, match='own is a variable'), refused:
        read_config(cfg, {'own': 'x'})


def test_a_function_without_a_signature_passes():
    check_values(Config(dict(train_dataloader=dict(collate_fn=dict(type=torch.stack, dim='no')))))


def test_a_config_without_an_optimizer_passes():
    check_values(Config(dict(optim_wrapper=None, env_cfg=dict(cudnn_benchmark=False))))


@pytest.mark.parametrize(
    ('key', 'text'),
    [
        ('optim_wrapper.optimizer.lr', '1e-3'), ('train_dataloader.num_workers', '2'),
        ('optim_wrapper.clip_grad.max_norm', '.5'),
    ],
)  # fmt: skip
def test_a_number_in_quotes_is_named_before_anything_is_built(key, text):
    cfg = Config(SETTINGS)
    cfg.merge_from_dict({key: text})
    with pytest.raises(DataError, match=f'^my.py: {key}: expected a number, found .*1.0e-3'):
        check_values(cfg, file='my.py')
    # Text that looks like a number stays where a class takes text.
    assert read(**{'val_evaluator.prefix': '12', 'work_dir': '3'}).val_evaluator.prefix == '12'


def test_a_misspelt_entry_of_the_checkpoint_hook_does_not_wait_for_the_first_save():
    # Of the right ones, the last two are those of any hook.
    read(**{'default_hooks.checkpoint': dict(interval=2, published_keys=['meta'], priority='LOW')})
    with pytest.raises(DataError, match='checkpoint.intervall: .*Did you mean interval?'):
        read(**{'default_hooks.checkpoint.intervall': 2})
    own = {'default_hooks.checkpoint': dict(type='MyHook', mine=2, _delete_=True)}
    assert read(**own).default_hooks.checkpoint.mine == 2


def test_a_misspelt_section_of_a_config_file_is_said(tmp_path, recwarn):
    path = tmp_path / 'a.py'
    path.write_text('optim_wraper = dict(a=1)\nloader = dict()\ntrain_cfg_2 = {}\n')
    read_config_file(path)
    (warning,) = recwarn
    assert f'{path}: optim_wraper: no setting has this name. Did you mean optim_wrapper?' in str(
        warning.message
    )


@pytest.mark.parametrize(
    ('key', 'value'),
    [
        ('optim_wrapper', 'AdamW'), ('train_cfg', 5), ('val_evaluator', 'SSCMetric'),
        ('default_hooks', [dict(type='CheckpointHook')]), ('randomness', 5),
    ],
)  # fmt: skip
def test_a_section_of_another_kind_is_named(key, value):
    cfg = Config({**SETTINGS, key: value})
    with pytest.raises(DataError, match=f'^my.py: {key}: expected a dict, found .*dict'):
        check_values(cfg, file='my.py')


def test_sections_may_be_left_out():
    names = [key for key, value in SETTINGS.items() if isinstance(value, (dict, list))]
    check_values(Config({**SETTINGS, **dict.fromkeys(names)}))


def test_sections_of_mmcv_1_are_said(tmp_path, recwarn):
    path = tmp_path / 'my.py'
    path.write_text('lr_config = dict(policy="step")\noptimizer = dict(type="SGD", lr=1)\n'
                    'optim_wrapper = dict(optimizer=dict(type="AdamW", lr=1))\n')  # fmt: skip
    read_config_file(path)
    texts = [str(one.message) for one in recwarn if 'mmcv 1.x' in str(one.message)]
    assert texts == [
        f'{path}: lr_config: nothing reads this section of mmcv 1.x. Set param_scheduler instead',
        f'{path}: optimizer: nothing reads this section of mmcv 1.x. '
        'Set optim_wrapper.optimizer instead',
    ]


@pytest.mark.parametrize(
    ('text', 'name', 'place'),
    [
        ('data = dict(samples_per_gpu=2)', 'data', 'train_dataloader, val_dataloader and test_'),
        ('data = dict(train=dict(type="A"))', 'data', 'train_dataloader, val_dataloader and test_'),
        ('runner = dict(type="EpochBasedRunner", max_epochs=5)', 'runner', 'train_cfg'),
        ('total_epochs = 5', 'total_epochs', 'train_cfg.max_epochs'),
        ('total_iters = 5  # total_iters', 'total_iters', 'train_cfg.max_iters'),
        ('fp16 = dict(loss_scale=512.0)', 'fp16', "optim_wrapper.type='AmpOptimWrapper'"),
        ('seed = 0', 'seed', 'randomness.seed'),
        ('cudnn_benchmark = True', 'cudnn_benchmark', 'env_cfg.cudnn_benchmark'),
        ('resume_from = "a.pth"', 'resume_from', 'load_from and resume=True'),
        ('auto_resume = True', 'auto_resume', 'resume'),
        ('deterministic = True', 'deterministic', 'randomness.deterministic'),
    ],
)
def test_sections_of_mmcv_1_with_names_of_variables_are_said(tmp_path, recwarn, text, name, place):
    path = tmp_path / 'my.py'
    path.write_text(f'{text}\ntrain_cfg = dict(max_epochs=3)\n')
    read_config_file(path)
    (warning,) = recwarn
    begin = f'{path}: {name}: nothing reads this section of mmcv 1.x. Set {place}'
    assert str(warning.message).startswith(begin)


@pytest.mark.parametrize('read', ['_base_.total_epochs', '{{_base_.total_epochs}}'])
def test_variables_that_a_config_reads_pass(tmp_path, recwarn, read):
    (tmp_path / 'base.py').write_text(
        'total_epochs = 5\nseed = 0\nrandomness = dict(seed=seed)\n'
        'data = dict(train=dict(type="A"))\nval_dataloader = dict(dataset=data["train"])\n'
        'runner = dict(type="B", max_epochs=1)\ntrain_cfg = dict(max_epochs=runner["max_epochs"])\n'
    )
    path = tmp_path / 'my.py'
    path.write_text(f'_base_ = "base.py"\ntrain_cfg = dict(max_epochs={read})\n')
    read_config_file(path, {'randomness.seed': 3})
    path.write_text('data = dict(root="data")\nrunner = "me"\ncudnn_benchmark = False\n'
                    'total_epochs = 3\ntrain_cfg = dict(max_epochs=3)\n')  # fmt: skip
    read_config_file(path)
    path.with_suffix('.yaml').write_text('total_epochs: 3\ntrain_cfg: {max_epochs: 3}\n')
    read_config_file(path.with_suffix('.yaml'))
    assert not recwarn


def test_variables_with_names_of_mmcv_1_pass(tmp_path, recwarn):
    (tmp_path / 'base.py').write_text(
        'optimizer = dict(type="SGD", lr=1)\noptim_wrapper = dict(optimizer=optimizer)\n'
        'lr_config = [dict(type="ConstantLR")]\nparam_scheduler = lr_config\n'
    )
    path = tmp_path / 'my.py'
    path.write_text('_base_ = "base.py"\noptim_wrapper = dict(optimizer=dict(lr=2, momentum=.9))\n')
    read_config_file(path, {'param_scheduler.0.factor': 0.5})
    assert not [one for one in recwarn if 'mmcv 1.x' in str(one.message)]


def test_entries_of_metainfo_that_nothing_reads_are_said(recwarn):
    dataset = dict(type='NYUDataset', metainfo=dict(pallete=[], classes=['a'], mine=1))
    known = dict(type='NYUDataset', metainfo=dict(palette=[], roof_classes=(), dataset='NYU'))
    others = dict(type='BaseDataset', metainfo=dict(mine=1))  # Not a data set of mmssc.
    concat = dict(type='ConcatDataset', datasets=[dataset, known, others])
    check_values(Config(dict(train_dataloader=dict(dataset=concat))), file='my.py')
    place = 'my.py: train_dataloader.dataset.datasets.0.metainfo'
    misspelt, own = sorted((str(one.message) for one in recwarn), reverse=True)
    assert f'{place}.pallete: nothing in mmssc reads this entry. Did you mean palette?' == misspelt
    assert own.startswith(f'{place}.mine: nothing in mmssc reads this entry. mmssc reads class')


def test_entries_for_torch_pass():
    dist = dict(backend='gloo', timeout=60, init_method='env://')
    assert read(**{'env_cfg.dist_cfg': dist}).env_cfg.dist_cfg.timeout == 60


@pytest.mark.parametrize(
    ('value', 'message'),
    [
        (5, 'custom_imports: expected custom_imports=dict(imports=[.*, found 5'),
        ('mmssc', "custom_imports: expected custom_imports=dict(imports=[.*, found 'mmssc'"),
        (dict(import_=['a']), 'custom_imports.import_: expected .*Did you mean imports?'),
        (dict(imports=[], allow_failed_import=1), '.*Did you mean allow_failed_imports?'),
        (dict(allow_failed_imports=True), 'custom_imports: expected .* only allow_failed_imports'),
        (dict(imports=['mmssc', 5]), 'custom_imports.imports: expected names of modules, .* 5'),
        (dict(imports=5), 'custom_imports.imports: expected names of modules, .*, found 5'),
        (dict(imports=('mm',)), "custom_imports.imports: expected a list .*, found ('mm'"),
        (dict(imports=['']), "custom_imports.imports: expected names of modules, .*, found ''"),
        (dict(imports=['a/b.py']), "custom_imports.imports: .*, found 'a/b.py'"),
        (dict(imports='a', allow_failed_imports=1), '.*allow_failed_imports: expected True or'),
    ],
)
def test_wrong_custom_imports_are_named(tmp_path, value, message):
    path = tmp_path / 'a.py'
    path.write_text(f'custom_imports = {value!r}\n')
    pattern = re.sub(r'([(\[])', r'\\\1', message)
    with pytest.raises(DataError, match=f'^{path}: {pattern}'):
        read_config_file(path)


@pytest.mark.parametrize(
    'value', [None, {}, dict(imports=[]), dict(imports='a', allow_failed_imports=True)]
)
def test_right_custom_imports_pass(value):
    check_custom_imports(value)


def test_the_arguments_of_a_class_have_names():
    with pytest.raises(DataError, match='my.py: model: expected names of arguments, found 2'):
        check_values(Config(dict(model={'type': 'SGN', 2: 'b'})), file='my.py')
    with pytest.raises(DataError, match='my.py: train_dataloader.2: expected an entry of'):
        check_values(Config(dict(train_dataloader={2: 'b'})), file='my.py')
