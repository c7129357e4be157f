"""What is left of a training checkpoint."""

import pytest
import torch

from mmssc.errors import DataError
from mmssc.models.checkpoint_import.publish import publish_checkpoint


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
