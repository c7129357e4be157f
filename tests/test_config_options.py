import argparse
import warnings

import pytest
from mmengine.config import Config

from mmssc.config_options import add_cfg_options, merge_options, parse_value
from mmssc.errors import DataError

TEXTS = [
    'word', 'data/kitti', '2024-01-02', '2024_01_02', '/x/my data', ' blank first', '/x/a,b',
    'a.b,c.d', 'my data, old', '/x/[old] (1)/{2}/ü=3', '[old] data', '(a)/(b)', '{a}/b', "it's",
    '"tis', 'C:\\new\\x', 'https://host/a,b?c=d', "__import__('os')", 'a=b', ',', '', 'none',
]  # fmt: skip
OTHERS = [
    ('3', 3),
    ('-2e-4', -2e-4),
    ('None', None),
    ('False', False),
    ('true', True),
    ('1,2', [1, 2]),
    ('1,', [1]),
    ('a,b', ['a', 'b']),
    ('(1,2),(3,4)', [(1, 2), (3, 4)]),
    ('[a, /x/my data, None]', ['a', '/x/my data', None]),
    ("['08', 'a,b', \"it's\", it's]", ['08', 'a,b', "it's", "it's"]),
    ('"[(1, 2), (3, 4)]"', [(1, 2), (3, 4)]),
    ('(64,64,8)', (64, 64, 8)),
    ('[]', []),
    ('dict(a=1, b=[x, (2,)])', dict(a=1, b=['x', (2,)])),
    ("{'a: b': 1, c: {}}", {'a: b': 1, 'c': {}}),
    ("[dict(type='EMAHook',momentum=0.1)]", [dict(type='EMAHook', momentum=0.1)]),
    ("'/x/my data'", '/x/my data'),
    ('"08"', '08'),
    ("'1,2'", '1,2'),
]


@pytest.mark.parametrize('text', TEXTS)
def test_text_arrives_as_typed(text):
    assert parse_value(text) == text


@pytest.mark.parametrize(('text', 'value'), OTHERS)
def test_other_values(text, value):
    found = parse_value(text)
    assert found == value
    assert isinstance(found, type(value))


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('[12.8,', 'no closing ]'),
        ('[1,2]]', '"]" without its opening bracket'),
        ('1,2]', '"]" without its opening bracket'),
        ('[(1,2]', '"]" without its opening bracket'),
        ('dict(a=1', 'no closing )'),
        ("['a]", "no closing '"),
        ('[1,,2]', 'nothing between two commas'),
        ('{1}', 'an entry of a dict is KEY:VALUE'),
        ('[dict(**{})]', 'an entry of a dict is KEY=VALUE'),
        ('{[1]: 3}', 'the key [1], which is neither text nor a number'),
        ('{(1, 2): 3}', 'the key (1, 2), which is neither'),
        ('dict(a=1, a=2)', 'the key a twice'),
        ('[{"a": 1, "a": 2}]', 'the key a twice'),
        ('[dict(1)]', 'an entry of a dict is KEY=VALUE'),
        ("[dict(b=__import__('os'))]", 'only dict'),
        ('[' * 2000 + ']' * 2000, 'more than 40 brackets in brackets'),
        ('dict(a=' * 41 + '1' + ')' * 41, 'more than 40 brackets in brackets'),
    ],
)
def test_broken_values_are_refused(text, message):
    with pytest.raises(ValueError) as caught:
        parse_value(text)
    assert message in str(caught.value)


def options(*words):
    parser = argparse.ArgumentParser()
    add_cfg_options(parser)
    return parser.parse_args(['--cfg-options', *words]).cfg_options


def test_the_option_is_read_from_the_command_line():
    assert options('a.b=x=y', ' c =1', '--cfg-options', 'a.b=2') == {'a.b': 2, 'c': 1}
    for word in ('a', '=1', 'a..b=1'):
        with pytest.raises(DataError, match=f'--cfg-options: expected KEY=VALUE, found {word}'):
            options(word)


@pytest.fixture
def cfg():
    return Config(dict(model=dict(part=dict(type='A', size=1), shape=(1, 2), none=None),
                       custom_hooks=[dict(type='B', x=1)], load_from=None,
                       ranges=[1, 2],
                       work_dir='here', own=1))  # fmt: skip


def test_options_change_the_config(cfg):
    merge_options(cfg, options(
        'model.part.size=2', 'model.new.key=1', 'custom_hooks.0.x=2', 'default_hooks.a.type=C',
        'load_from=/x/my data, old/a.pth', 'model.none=dict(a=1)', 'model.shape=(3,4)',
    ))  # fmt: skip
    assert cfg.model == dict(part=dict(type='A', size=2), shape=(3, 4), none=dict(a=1),
                             new=dict(key=1))  # fmt: skip
    assert cfg.model.new.key == 1 and cfg.model.none.a == 1
    assert cfg.custom_hooks == [dict(type='B', x=2)] and cfg.default_hooks.a.type == 'C'
    assert cfg.load_from == '/x/my data, old/a.pth'


def test_a_dict_can_be_replaced_or_emptied(cfg):
    merge_options(cfg, options('model.part.type=D', 'model.part._delete_=True'))
    assert cfg.model.part == dict(type='D')
    for text, value in (
        ('None', None),
        ('[dict(type=E)]', [dict(type='E')]),
        ('dict(type=F)', dict(type='F')),
    ):
        merge_options(cfg, options(f'model.part={text}'))
        assert cfg.model.part == value
    assert cfg.model.part.type == 'F'


def test_entries_of_lists_can_be_replaced(cfg):
    with pytest.warns(UserWarning, match='ranges is a variable'):
        merge_options(cfg, options('ranges.0=3', 'ranges.1=dict(a=1)', 'custom_hooks.0=None'))
    assert cfg.ranges == [3, dict(a=1)] and cfg.custom_hooks == [None]


def test_settings_that_were_one_variable_change_apart(tmp_path):
    path = tmp_path / 'small.py'
    path.write_text('shared = dict(x=[1], y=dict(z=None))\n'
                    'val_dataloader = shared\ntest_dataloader = shared\n')  # fmt: skip
    cfg = Config.fromfile(path)
    merge_options(cfg, options('val_dataloader.x.0=2', 'val_dataloader.y.z=dict(a=1)'))
    assert cfg.val_dataloader == dict(x=[2], y=dict(z=dict(a=1)))
    assert cfg.test_dataloader == cfg.shared == dict(x=[1], y=dict(z=None))


def test_later_options_see_earlier_ones(cfg):
    merge_options(cfg, options('custom_hooks=[dict(type=F), dict(type=G)]', 'custom_hooks.1.x=3'))
    assert cfg.custom_hooks == [dict(type='F'), dict(type='G', x=3)]


def test_commas_stay_in_a_setting_that_is_text(cfg):
    merge_options(cfg, options('work_dir=a,b', 'load_from=a,b'))
    assert cfg.work_dir == 'a,b'
    assert cfg.load_from == ['a', 'b'] and type(cfg.load_from) is list


def test_keys_of_the_config_and_of_the_runner_are_known(cfg):
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        merge_options(
            cfg,
            options(
                'sync_bn=torch',
                'train_cfg.max_epochs=1',
                'compile=True',
                'env_cfg.cudnn_benchmark=True',
                'auto_scale_lr.enable=False',
            ),
        )
    with pytest.warns(UserWarning, match='own is a variable of the config; settings computed'):
        merge_options(cfg, options('own=2'))
    assert cfg.own == 2 and cfg.sync_bn == 'torch'


@pytest.mark.parametrize(
    ('option', 'message'),
    [
        ('modle.part.size=1', 'modle.part.size: expected a setting that exists, found modle. Did '
         'you mean model?'),
        ('zzz=1', 'zzz: expected a setting that exists, found zzz. Define a setting of your own'),
        ('custom_hooks.1.x=1', 'custom_hooks.1.x: expected a number below 1, found 1 '),
        ('custom_hooks.-1.x=1', 'custom_hooks.-1.x: expected a number below 1, found -1 '),
        ('custom_hooks.x=1', 'custom_hooks.x: expected a number below 1, found x '),
        ('model.shape.0=1', 'model.shape.0: expected a dict or a list at model.shape, found (1'),
        ('model.part.size.a=1', 'model.part.size.a: expected a dict or a list at model.part.size'),
        ('model.none.a=1', 'model.none.a: expected a dict or a list at model.none, found None'),
        ('model=3', 'model=3: expected a dict, found 3. Set an entry: model.NAME=VALUE'),
        ('model.part=x', "model.part=x: expected a dict, found 'x'"),
        ('model.part=x,y', "model.part=['x', 'y']: expected a dict"),
        ('custom_hooks.0=5', 'custom_hooks.0=5: expected a dict'),
        ('model' + '.a' * 500 + '=1', f'model{".a" * 47}....: expected at most 40 names, found 50'),
    ],
)  # fmt: skip
def test_options_that_do_not_fit_are_refused(cfg, option, message):
    before = cfg.to_dict()
    with pytest.raises(DataError) as caught:
        merge_options(cfg, options(option))
    assert str(caught.value).startswith(f'--cfg-options: {message}')
    assert cfg.to_dict() == before


@pytest.mark.parametrize(
    ('key', 'place'),
    [('total_epochs', 'train_cfg.max_epochs'), ('lr_config.policy', 'param_scheduler'),
     ('seed', 'randomness.seed'), ('data.samples_per_gpu', 'train_dataloader'),
     ('evaluation.interval', 'train_cfg.val_interval'), ('runner.max_epochs', 'train_cfg')],
)  # fmt: skip
def test_sections_of_mmcv_1_get_the_name_of_today(key, place):
    with pytest.raises(DataError, match=f'a setting that exists.* Set {place}.* of mmcv 1.x'):
        merge_options(Config(dict(model=dict(type='A'))), {key: 1})
