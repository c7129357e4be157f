"""NaN and infinite logits give no prediction; the error names the cause."""

from __future__ import annotations

import pytest
import torch
from mmengine.registry import DefaultScope
from test_light import batch_of, small_model

from mmssc.errors import DataError


@pytest.fixture
def model():
    with DefaultScope.overwrite_default_scope('mmssc'):
        torch.manual_seed(0)
        yield small_model().eval()


@pytest.mark.parametrize('value', [float('nan'), float('inf'), -float('inf')])
def test_weights_that_are_not_finite_are_named(model, value):
    with torch.no_grad():
        model.head.classifier.bias[3] = value
    with pytest.raises(DataError, match=r'LightCompletor: head\.classifier\.bias: .* diverged'):
        model(**batch_of(model, [0]), mode='predict')


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
def test_an_input_that_is_not_finite_is_named_with_its_sample(model, value):
    batch = batch_of(model, [0, 1])
    batch['inputs']['tsdf'][1, 0, 2, 3, 4] = value
    batch['data_samples'][1].set_metainfo(dict(img_paths=['office.png']))
    with pytest.raises(DataError, match='office.png: tsdf: expected finite numbers'):
        model(**batch, mode='predict')
    # Without data samples the position in the batch is the name.
    with pytest.raises(DataError, match='sample 1 of the batch: tsdf'):
        model(batch['inputs'], mode='predict')


def test_results_that_are_too_large_for_their_numbers(model, monkeypatch):
    batch = batch_of(model, [0])
    logits = model.predict_logits(batch['inputs']) * 1e6
    monkeypatch.setattr(model, 'predict_logits', lambda _: logits.half())
    batch['data_samples'][0].set_metainfo(dict(sequence='test', frame_id='0007'))
    with pytest.raises(DataError, match=r'test/0007: logits: .*float16.* in float32'):
        model(**batch, mode='predict')
    monkeypatch.setattr(model, 'predict_logits', lambda _: logits)
    (sample,) = model(**batch, mode='predict')
    assert sample.pred_voxels.any()
