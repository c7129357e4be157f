"""MaskDINO's pixel decoder: shapes, initialisation from its checkpoints, neighbours' influence."""

from __future__ import annotations

import pytest
import torch
from mmengine.registry import init_default_scope

from mmssc.models.necks import MaskDINOPixelDecoder

SMALL = dict(in_channels=(8, 12, 16), embed_dims=16, num_layers=2, feedforward_channels=8)


def make_levels(channels=(4, 8, 12, 16), seed=0):
    generator = torch.Generator().manual_seed(seed)
    sizes = ((12, 18), (6, 9), (3, 5), (2, 3))
    return [torch.randn(2, c, *size, generator=generator) for c, size in zip(channels, sizes)]


def test_levels_and_the_ones_that_are_returned():
    neck = MaskDINOPixelDecoder(**SMALL).eval()
    levels = neck.encode_levels(make_levels())
    assert [tuple(level.shape[1:]) for level in levels] == [
        (16, 6, 9), (16, 3, 5), (16, 2, 3), (16, 1, 2),
    ]  # fmt: skip
    returned = neck(make_levels())
    assert len(returned) == 2
    assert all(torch.equal(a, b) for a, b in zip(returned, levels))


def test_every_level_can_matter_for_the_first():
    neck = MaskDINOPixelDecoder(**SMALL).eval()
    with torch.no_grad():
        for layer in neck.transformer.encoder.layers:
            torch.nn.init.normal_(layer.self_attn.attention_weights.weight)
    features = [level.requires_grad_() for level in make_levels()]
    neck(features)[0].sum().backward()
    assert features[0].grad is None
    assert all(level.grad.any() for level in features[1:])


def test_starts_from_a_maskdino_checkpoint(tmp_path):
    """As in the config: the part below a prefix, with the mask branch beside it."""
    init_default_scope('mmssc')
    source = MaskDINOPixelDecoder(**SMALL)
    prefix = 'panoptic_head.pixel_decoder.'
    state = {prefix + key: value for key, value in source.state_dict().items()}
    state[prefix + 'mask_features.weight'] = torch.zeros(3)
    state['panoptic_head.predictor.query_feat.weight'] = torch.zeros(3)
    state['backbone.conv1.weight'] = torch.zeros(3)
    torch.save(state, tmp_path / 'maskdino.pth')
    init_cfg = dict(type='Pretrained', prefix=prefix, checkpoint=str(tmp_path / 'maskdino.pth'))
    neck = MaskDINOPixelDecoder(**SMALL, init_cfg=init_cfg)
    key = 'transformer.encoder.layers.1.self_attn.value_proj.weight'
    assert not torch.equal(neck.state_dict()[key], source.state_dict()[key])
    neck.init_weights()
    for name, value in neck.state_dict().items():
        assert torch.equal(value, source.state_dict()[name]), name


@pytest.mark.parametrize('option', [dict(chunk_size=7), dict(chunk_size=7, with_cp=True)])
def test_chunks_change_nothing(option):
    torch.manual_seed(0)
    plain = MaskDINOPixelDecoder(**SMALL)
    chunked = MaskDINOPixelDecoder(**SMALL, **option)
    chunked.load_state_dict(plain.state_dict())
    for found, expected in zip(chunked(make_levels()), plain(make_levels())):
        torch.testing.assert_close(found, expected)
