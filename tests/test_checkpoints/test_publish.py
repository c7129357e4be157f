"""What is left of a training checkpoint."""

import os

import pytest
import torch

from mmssc.checkpoints.publish import publish_checkpoint
from mmssc.errors import DataError


def test_weights_and_facts_are_kept_and_nothing_else(tmp_path):
    average, raw = torch.full((3,), 0.5), torch.ones(3)
    meta = dict(epoch=3, seed=0, cfg='data_root = "home"', dataset_meta=dict(classes=('a',)))
    content = dict(
        meta=meta,
        state_dict=dict(weight=average),
        ema_state_dict=dict(weight=raw),
        optimizer=dict(state={0: raw}),
        message_hub={},
    )
    torch.save(content, tmp_path / 'epoch_3.pth')
    meta = publish_checkpoint(tmp_path / 'epoch_3.pth', tmp_path / 'out' / 'model.pth')
    stored = torch.load(tmp_path / 'out' / 'model.pth', weights_only=True)
    assert set(stored) == {'meta', 'state_dict'} and stored['meta'] == meta
    assert meta == dict(epoch=3, seed=0, dataset_meta=dict(classes=('a',)))
    assert torch.equal(stored['state_dict']['weight'], average)


def test_a_file_without_weights_is_refused(tmp_path):
    torch.save(dict(meta={}), tmp_path / 'empty.pth')
    with pytest.raises(DataError):
        publish_checkpoint(tmp_path / 'empty.pth', tmp_path / 'model.pth')
    assert not (tmp_path / 'model.pth').exists()


@pytest.mark.parametrize(
    ('weights', 'meta', 'message'),
    [
        (dict(mask=[0, float('nan')]), {}, 'mask: expected finite numbers, found NaN'),
        ({'a.weight': [0, float('inf')]}, {}, 'a.weight: expected finite numbers'),
        ({}, dict(epoch='three'), "meta, epoch: expected a whole number from 0, found 'three'"),
        ({}, dict(epoch=-1), 'meta, epoch: expected a whole number'),
        ({}, dict(iter=1.5), 'meta, iter: expected a whole number'),
    ],
)
def test_what_no_model_loads_is_refused(tmp_path, weights, meta, message):
    state = {name: torch.tensor(value) for name, value in {'w': [1.0], **weights}.items()}
    torch.save(dict(state_dict=state, meta=meta), tmp_path / 'a.pth')
    with pytest.raises(DataError, match=message):
        publish_checkpoint(tmp_path / 'a.pth', tmp_path / 'b.pth')
    assert not (tmp_path / 'b.pth').exists()
    # Infinity in a mask is right.
    torch.save(dict(state_dict=dict(mask=torch.tensor([0, -torch.inf]))), tmp_path / 'a.pth')
    publish_checkpoint(tmp_path / 'a.pth', tmp_path / 'b.pth')


def test_half_of_the_size_and_the_same_network(tmp_path):
    torch.manual_seed(0)
    layer = torch.nn.Sequential(torch.nn.Conv1d(32, 64, 3), torch.nn.BatchNorm1d(64))
    torch.save(dict(state_dict=layer.state_dict()), tmp_path / 'full.pth')
    publish_checkpoint(tmp_path / 'full.pth', tmp_path / 'half.pth', half=True)
    stored = torch.load(tmp_path / 'half.pth', weights_only=True)['state_dict']
    # Statistics and shifts need the range and the digits.
    assert stored['0.weight'].dtype == torch.float16
    assert {stored[key].dtype for key in ('0.bias', '1.running_var')} == {torch.float32}
    loaded = torch.nn.Sequential(torch.nn.Conv1d(32, 64, 3), torch.nn.BatchNorm1d(64))
    loaded.load_state_dict(stored)
    assert loaded[0].weight.dtype == torch.float32
    torch.testing.assert_close(loaded[0].weight, layer[0].weight, rtol=1e-3, atol=1e-6)


def test_half_refuses_what_does_not_fit(tmp_path):
    torch.save(dict(state_dict={'a.weight': torch.full((2, 2), 1e5)}), tmp_path / 'large.pth')
    with pytest.raises(DataError, match='a.weight.*float16'):
        publish_checkpoint(tmp_path / 'large.pth', tmp_path / 'half.pth', half=True)
    assert not (tmp_path / 'half.pth').exists()


@pytest.mark.skipif(not os.path.exists('/dev/full'), reason='needs /dev/full')
def test_a_full_disk_is_named(tmp_path):
    torch.save(dict(state_dict={'a.weight': torch.zeros(1000, 1000)}), tmp_path / 'a.pth')
    with pytest.raises(OSError, match="No space left on device: '/dev/full'"):
        publish_checkpoint(tmp_path / 'a.pth', '/dev/full')
