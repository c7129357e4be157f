"""YAML and JSON configs hold values only, however they are read."""

from __future__ import annotations

import json
import os

import pytest
from mmengine.config import Config

from mmssc.config_file import read_config_file
from mmssc.errors import DataError

TAGS = [
    '!!python/object/apply:os.mkdir [made]',
    '!!python/object/new:os.mkdir [made]',
    '!!python/object:collections.OrderedDict {}',
    '!!python/name:os.mkdir',
    '!!python/module:os',
    '!<tag:yaml.org,2002:python/object/apply:os.mkdir> [made]',
    '{deep: [1, {x: !!python/object/apply:os.mkdir [made]}]}',
    '&a !!python/object/apply:os.mkdir [made]',
    '!custom 3',
]


@pytest.mark.parametrize('suffix', ['.yaml', '.yml'])
@pytest.mark.parametrize('tag', TAGS)
def test_a_tag_that_runs_code_is_refused(tmp_path, monkeypatch, tag, suffix):
    monkeypatch.chdir(tmp_path)
    text = f'a: 1\nb: {tag}\n'
    path = tmp_path / f'model{suffix}'
    path.write_text(text)
    with pytest.raises(DataError, match=r'model.ya?ml: line 2: expected plain values, found .*!'):
        read_config_file(path)
    (tmp_path / 'leaf.py').write_text(f"_base_ = './{path.name}'\n")
    (tmp_path / 'leaf.json').write_text(json.dumps(dict(_base_=f'./{path.name}')))
    for leaf in ('leaf.py', 'leaf.json'):
        with pytest.raises(DataError, match=rf'{leaf}: .*{path.name}, line 2: expected plain'):
            read_config_file(tmp_path / leaf)
    # Another mm package reads configs without mmssc.config_file.
    for read in (lambda: Config.fromfile(path), lambda: Config.fromstring(text, suffix)):
        with pytest.raises(DataError, match='plain values'):
            read()
    assert not os.path.exists('made')


@pytest.mark.parametrize(
    ('name', 'text', 'message'),
    [
        ('a.json', '{"lr": 1, "b": {"k": 1, "k": 2}}', "key 'k' more than once"),
        ('a.yaml', 'lr: 1\nb: 2\nlr: 3\n', 'a.yaml: line 3: expected each key once, found lr'),
        ('a.yml', 'b:\n  - {k: 1, k: 2}\n', 'line 2: expected each key once, found k again'),
    ],
)
def test_a_key_that_is_given_twice_is_refused(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        read_config_file(tmp_path / name)
    assert caught.value.file == str(tmp_path / name)


def test_configs_of_values_are_read(tmp_path):
    settings = dict(
        model=dict(shape=(64, 64, 8), scale=[1, 2.5], name='a: b', none=None), flag=True,
        more=[dict(k=1), dict(k=2)],
    )  # fmt: skip
    for suffix in ('py', 'yaml', 'json'):
        path = tmp_path / f'dumped.{suffix}'
        Config(settings).dump(path)
        cfg = read_config_file(path)
        assert list(cfg.model.shape) == [64, 64, 8] and cfg.more[1].k == 2 and cfg.flag is True
    path.with_suffix('.yml').write_text(
        '_base_: ./dumped.json\ncommon: &common {lr: 1e-3}\nhead: {<<: *common, lr: 0.5}\n'
        "file: '{{ fileBasename }}'\nday: 2026-01-01\n"
    )
    cfg = read_config_file(path.with_suffix('.yml'))
    assert (cfg.head.lr, cfg.model.none, cfg.file) == (0.5, None, 'dumped.yml')


def test_a_deep_or_self_naming_config_ends(tmp_path):
    path = tmp_path / 'a.yaml'
    for text in ('a: &a [*a]\n', 'a: ' + '[' * 5000):
        path.write_text(text)
        with pytest.raises(DataError):
            read_config_file(path)


@pytest.mark.parametrize(
    'text',
    [
        'a0: &a0 [x, x, x, x, x, x, x, x, x]\n'
        + ''.join(f'a{n}: &a{n} [{", ".join([f"*a{n - 1}"] * 9)}]\n' for n in range(1, 9)),
        'a: &a {k: v}\nb: &b {<<: [' + '*a, ' * 300 + '*a]}\nc: [' + '*b, ' * 1000 + '*b]\n',
        'a: &a {b: *a}\n',
    ],
    ids=['lists', 'merged', 'itself'],
)
def test_aliases_that_stand_for_very_many_values_are_refused(tmp_path, text):
    path = tmp_path / 'a.yaml'
    path.write_text(text)
    with pytest.raises(DataError, match='a.yaml: values: expected at most 100000 values'):
        read_config_file(path)


@pytest.mark.parametrize('kind', ['pipe', 'device', 'large'])
@pytest.mark.parametrize('suffix', ['py', 'yaml', 'json'])
@pytest.mark.parametrize('is_base', [False, True])
def test_configs_are_small_regular_files(tmp_path, kind, suffix, is_base):
    path = bad = tmp_path / f'bad.{suffix}'
    if kind == 'pipe':
        os.mkfifo(bad)
    elif kind == 'device':
        bad.symlink_to('/dev/zero')
    else:
        bad.write_text('a = 1\n' if suffix == 'py' else '{"a": 1}')
        os.truncate(bad, 2**40)
    if is_base:
        path = tmp_path / 'a.py'
        path.write_text(f"_base_ = './bad.{suffix}'\n")
    with pytest.raises(DataError, match=f'{path}: .*expected a.*found .*') as caught:
        read_config_file(path)
    message = str(caught.value)
    assert kind[:4] in message or 'at most 1 MiB' in message
    assert bad.name in message and 'RuntimeError' not in message


def test_an_empty_config_and_one_with_bases_of_each_kind_are_read(tmp_path):
    (tmp_path / 'a.py').touch()
    (tmp_path / 'b.json').write_text('{"b": 1}')
    (tmp_path / 'c.yaml').write_text('c: 2\n')
    (tmp_path / 'd.py').write_text("_base_ = ['./a.py', './b.json', './c.yaml']\n")
    assert read_config_file(tmp_path / 'd.py').to_dict() == dict(b=1, c=2)


@pytest.mark.parametrize('suffix', ['py', 'yaml', 'json'])
def test_a_config_that_is_its_own_base_is_refused(tmp_path, suffix):
    (tmp_path / f'a.{suffix}').write_text(
        {'py': "_base_ = './b.py'\n", 'yaml': '_base_: ./b.py\n', 'json': '{"_base_": "./b.py"}'}[
            suffix
        ]
    )
    (tmp_path / 'b.py').write_text(f"_base_ = './a.{suffix}'\n")
    with pytest.raises(DataError, match=f'a.{suffix}: _base_: expected other configs'):
        Config.fromfile(tmp_path / f'a.{suffix}')
    # The error leaves nothing behind: the config can be read when it is repaired.
    (tmp_path / 'b.py').write_text('c = 1\n')
    assert Config.fromfile(tmp_path / f'a.{suffix}').c == 1


def test_a_base_may_be_used_twice(tmp_path):
    (tmp_path / 'root.py').write_text('a = 1\n')
    (tmp_path / 'b.py').write_text("_base_ = './root.py'\n")
    (tmp_path / 'leaf.py').write_text("_base_ = './b.py'\nb = {{_base_.a}}\n")
    assert read_config_file(tmp_path / 'leaf.py').to_dict() == dict(a=1, b=1)


@pytest.mark.parametrize(
    ('name', 'text', 'message'),
    [
        ('a.py', '_base_ = 5', '_base_: expected the path of a config, or .* paths, found 5'),
        ('a.py', "_base_ = ['']", "_base_: expected .*, found ''"),
        ('a.yaml', '_base_: [b.py, null]', '_base_: expected .*, found None'),
        ('a.json', '{"_base_": {"a": 1}}', '_base_: expected .*, found '),
        ('a.json', '[1]', r'expected settings \(NAME: VALUE\), found a list'),
        ('a.yaml', '- 1', r'expected settings \(NAME: VALUE\), found a list'),
        ('a.yaml', '# no settings', 'expected settings .*, found nothing'),
        ('a.yaml', 'a: 1\n5: 2', 'line 2: expected the name of a setting, found 5, which YAML'),
        ('a.yaml', 'a:\n  ? [1, 2]\n  : 3', 'line 2: expected a word or a number as key'),
    ],
)  # fmt: skip
def test_wrong_settings_are_said_in_words(tmp_path, name, text, message):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(DataError, match=f'^{path}: {message}'):
        read_config_file(path)


def test_a_byte_order_mark_is_skipped(tmp_path):
    mark = b'\xef\xbb\xbf'
    (tmp_path / 'a.json').write_bytes(mark + b'{"a": 1}')
    (tmp_path / 'b.yaml').write_bytes(mark + b'_base_: ./a.json\nmap: {0: 1}\n')
    (tmp_path / 'c.py').write_bytes(mark + b"_base_ = './b.yaml'\nc = _base_.a\n")
    cfg = read_config_file(tmp_path / 'c.py')
    assert (cfg.a, cfg.c, cfg.map) == (1, 1, {0: 1})  # Keys inside may be numbers.
