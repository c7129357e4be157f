"""Small networks of every method that exports give the model's logits, in both formats."""

from __future__ import annotations

import pytest
import torch
from tiny_rgbd import IMAGE_SIZE, NUM_CLASSES, tiny_ammnet, tiny_batch, tiny_network
from tiny_sketch import tiny_sketch

from mmssc.deployment import (
    FORMATS,
    check_agreement,
    describe_network,
    open_network,
    serialize,
    trace_network,
    used_inputs,
)
from mmssc.errors import DataError
from mmssc.registry import MODELS

SEGMENTED = dict(
    backbone=None, image_head=None, lifter=None, loss_2d=None,
    segmentation_encoder=dict(type='mmssc.SegmentationEncoder', num_segments=6, widths=(8, 16)),
)  # fmt: skip
RESNET = dict(type='mmseg.ResNet', depth=18, base_channels=32, out_indices=(0, 1, 2, 3))
HEAD = tiny_network()['image_head']
METHODS = {
    'cleaners': tiny_network(type='mmssc.CleanerS'),
    'ammnet': tiny_ammnet(backbone=RESNET, image_head=dict(HEAD, in_channels=(32, 64, 128, 256))),
    'ammnet on a segmentation': tiny_ammnet(**SEGMENTED),
    'sketch': tiny_sketch(),
}


def build(cfg):
    torch.manual_seed(0)
    cfg = dict(cfg, data_preprocessor=dict(type='mmssc.SSCDataPreprocessor'))
    model = MODELS.build(cfg).eval()
    model.dataset_meta = dict(classes=[f'class {number}' for number in range(NUM_CLASSES)])
    inputs, _ = tiny_batch(2)
    inputs['segmentation'] = torch.randint(0, 6, (2, *IMAGE_SIZE), dtype=torch.uint8)
    return model, used_inputs(model, inputs)


@pytest.mark.slow
@pytest.mark.parametrize('format', FORMATS)
@pytest.mark.parametrize('name', METHODS)
def test_the_file_agrees_with_the_model(name, format):
    model, inputs = build(METHODS[name])
    program = trace_network(model, inputs)
    network = open_network(serialize(program, format, describe_network(model, inputs)), format)
    for size in (1, 2, 3):
        batch = {key: torch.cat([value, value])[:size] for key, value in inputs.items()}
        assert check_agreement(network, model, batch) < 1e-5


def test_only_inputs_that_the_network_reads_are_in_the_file():
    model, inputs = build(METHODS['cleaners'])
    assert set(inputs) == {'img', 'tsdf', 'voxel_to_pixel'}
    described = describe_network(model, inputs)
    assert described['inputs']['img'] == dict(shape=['batch', 1, 3, 48, 64], dtype='float32')
    assert described['outputs']['labels'] == dict(shape=['batch', 16, 12, 16], dtype='uint8')
    assert len(described['image_mean']) == 3


def test_a_network_that_cannot_be_traced_says_why():
    model, inputs = build(METHODS['cleaners'])
    model.head.forward = lambda volume, tsdf: volume if float(volume.sum()) > 0 else tsdf
    with pytest.raises(DataError, match='a network that torch.export can trace'):
        trace_network(model, inputs)


@pytest.mark.parametrize(
    'answer',
    [
        lambda logits: (logits * float('nan'), logits.argmax(1)),
        lambda logits: (logits + 2e-4 * logits.abs().max(), logits.argmax(1)),
        lambda logits: (logits, logits.argmin(1)),
        lambda logits: (logits[:1], logits.argmax(1)),
    ],
)
def test_a_wrong_network_is_refused(answer):
    model, inputs = build(METHODS['ammnet on a segmentation'])
    with pytest.raises(DataError, match='exported network, batch of 2'):
        check_agreement(lambda batch: answer(model.predict_logits(batch)), model, inputs)
