"""Objects of unknown classes beside the weights are left out; in the weights they are refused."""

from __future__ import annotations

import argparse
import enum
import functools
import logging
import os
import pathlib
import time
from collections import OrderedDict, defaultdict

import numpy as np
import pytest
import torch
from torch_archives import Calls, pickled, write_archive

from mmssc.checkpoints import read_state_dict
from mmssc.checkpoints.publish import publish_checkpoint
from mmssc.compat import load_checkpoint_file
from mmssc.errors import UnsafeCheckpointError
from mmssc.formats import unknown_objects

WEIGHTS = OrderedDict(weight=torch.arange(6.0).reshape(2, 3), bias=torch.ones(2))


class Settings(dict):
    """As the containers of Lightning and OmegaConf: a dict with attributes."""


class Names(list):
    """A list of a class of its own."""


class Optimizer(enum.Enum):
    ADAM = 'adam'


class Module:
    """An object with attributes, among them a class and a method."""

    def __init__(self) -> None:
        self.kind, self.make, self.weight = Settings, torch.nn.Linear, torch.ones(2)


settings = Settings(lr=0.1, names=Names(['a']))
settings.frozen = True
HYPER_PARAMETERS = {
    'a dict of a class': settings,
    'a list of a class': Names(['a', 'b']),
    'an object': Module(),
    'an enumeration': dict(optimizer=Optimizer.ADAM),
    'a path': [pathlib.PurePosixPath('data/nyu')],
    'a partial function': functools.partial(torch.nn.Linear, 3),
    'a default dict': defaultdict(list, a=[1]),
    'a class': {'optimizer': torch.optim.Adam},
    'an array of objects': np.array([{}, None], dtype=object),
    'keys that are no text': {(1, 2): 'a', 0.5: 'b'},
    'an object as a key': {Optimizer.ADAM: 1},
    'nested ones': dict(a=[dict(b=(Module(),))], options=argparse.Namespace(seed=1)),
}
BOTH_FORMATS = pytest.mark.parametrize('legacy', [False, True], ids=['zip', 'legacy'])


def save(path, content, legacy=False):
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    return path


@BOTH_FORMATS
@pytest.mark.parametrize('value', HYPER_PARAMETERS.values(), ids=HYPER_PARAMETERS)
@pytest.mark.parametrize('weights', ['state_dict', 'model'])
def test_they_are_left_out_beside_the_weights(tmp_path, capsys, weights, value, legacy):
    content = {'hyper_parameters': value, weights: WEIGHTS, 'epoch': 3, 'options': {'lr': 0.1}}
    path = save(tmp_path / 'lightning.ckpt', content, legacy)
    found = load_checkpoint_file(path)
    assert sorted(found) == sorted([weights, 'epoch', 'options'])
    assert list(found[weights]) == list(WEIGHTS) and found['options'] == {'lr': 0.1}
    assert all(torch.equal(value, WEIGHTS[name]) for name, value in found[weights].items())
    printed = capsys.readouterr()
    lines = [line for line in (printed.out + printed.err).splitlines() if 'skipped' in line]
    assert len(lines) == 1 and 'lightning.ckpt' in lines[0] and 'hyper_parameters' in lines[0]


@BOTH_FORMATS
def test_plain_content_is_read_without_a_word(tmp_path, capsys, legacy):
    content = dict(state_dict=WEIGHTS, hyper_parameters=dict(lr=0.1, names=['a']))
    found = load_checkpoint_file(save(tmp_path / 'plain.ckpt', content, legacy))
    assert found['hyper_parameters'] == content['hyper_parameters']
    assert 'skipped' not in ''.join(capsys.readouterr())


@BOTH_FORMATS
@pytest.mark.parametrize(
    'content, name',
    [
        (dict(state_dict=dict(weight=WEIGHTS['weight'], other=Module())), 'Module'),
        (dict(state_dict=OrderedDict(part=[dict(a=Optimizer.ADAM)])), 'Optimizer'),
        (dict(WEIGHTS, other=Module()), 'Module'),
        (dict(model=Module(), epoch=1), 'Module'),
        ([Module()], 'Module'),
        (Module(), 'Module'),
    ],
    ids=['value', 'deep', 'bare', 'whole module', 'list', 'object'],
)
def test_they_are_refused_in_the_weights(tmp_path, content, name, legacy):
    path = save(tmp_path / 'bad.pth', content, legacy)
    with pytest.raises(UnsafeCheckpointError, match=f'{name}. Only weights and plain values'):
        load_checkpoint_file(path)


def test_one_that_weights_and_settings_share_is_refused(tmp_path):
    shared = [Module()]
    with pytest.raises(UnsafeCheckpointError, match='Module'):
        load_checkpoint_file(
            save(tmp_path / 'bad.pth', dict(a=shared, state_dict=dict(weight=shared)))
        )


@pytest.mark.parametrize('reduce', [os.system, eval, __import__], ids=lambda one: one.__name__)
def test_nothing_in_the_skipped_entries_is_called(tmp_path, reduce):
    """Not by name, not by its state, not as an attribute of an unknown class."""
    ran = tmp_path / 'ran'
    text = f'touch {ran}' if reduce is os.system else f'open({str(ran)!r}, "w")'
    evil = Calls(reduce, text, state={'run': Calls(reduce, text)})
    attribute = Calls(getattr, Calls(getattr, Module, 'make'), 'real')
    program = pickled(dict(state_dict=dict(count=1), hyper_parameters=[evil, attribute]))
    found = load_checkpoint_file(write_archive(tmp_path / 'evil.ckpt', program))
    assert found == dict(state_dict=dict(count=1)) and not ran.exists()


def test_a_known_value_made_from_an_unknown_one_is_unknown_too(tmp_path):
    """Such as a state of an array, or the pairs of a dict."""
    hidden = [
        Calls(OrderedDict, [['weight', Module()]]),
        Calls(np.dtype, 'f8', False, True, state=(3, '<', None, ('a',), {'a': Module()}, 1, 8, 0)),
        Calls(torch._utils._rebuild_parameter, Module(), False, {}),
    ]
    for value in hidden:
        program = pickled(dict(state_dict=dict(weight=value)))
        with pytest.raises(UnsafeCheckpointError, match='Module'):
            load_checkpoint_file(write_archive(tmp_path / 'bad.pth', program))


def test_the_search_ends_soon(tmp_path, monkeypatch):
    """Every entry holds the same long list."""
    monkeypatch.setattr(unknown_objects, '_MAX_STEPS', 200_000)
    shared = list(range(5000))
    entries = {f'entry {number}': [shared, number] for number in range(2000)}
    path = save(tmp_path / 'long.ckpt', dict(entries, state_dict=WEIGHTS, last=Module()))
    start = time.perf_counter()
    with pytest.raises(UnsafeCheckpointError, match='nested values of more than'):
        load_checkpoint_file(path)
    assert time.perf_counter() - start < 20


def test_many_skipped_entries_make_one_short_line(tmp_path, capsys):
    entries = {f'entry {number}\n' * 50: Module() for number in range(100)}
    load_checkpoint_file(save(tmp_path / 'many.ckpt', dict(entries, state_dict=WEIGHTS)))
    printed = ''.join(capsys.readouterr())
    assert printed.count('\n') == 1 and 'and 95 more' in printed and len(printed) < 1000


def test_publishing_reads_the_weights_once(tmp_path, capsys):
    content = dict(state_dict=WEIGHTS, hyper_parameters=Module(), meta=dict(epoch=4))
    path = save(tmp_path / 'lightning.ckpt', content)
    assert publish_checkpoint(path, tmp_path / 'small.pth') == dict(epoch=4)
    assert ''.join(capsys.readouterr()).count('skipped') == 1
    assert read_state_dict(tmp_path / 'small.pth').keys() == WEIGHTS.keys()


@pytest.fixture(autouse=True)
def plain_logging():
    """The message goes to this test's output, whichever test made the logger."""
    from mmengine.logging import MMLogger

    MMLogger._instance_dict.clear()
    yield
    logging.getLogger('mmengine').handlers.clear()
