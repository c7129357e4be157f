"""Header, segmentation head and U-Net."""

import pytest
import torch
from reference_units import load_unit

from mmssc.models.heads.sgn.bev_unet import BEVUNet
from mmssc.models.layers import (
    DilatedSegmentationHead,
    FlatVolumeConv3d,
    UpsamplingClassifier,
    VoxelClassifier,
)
from mmssc.parity.reference_fill import normal


def test_upsampling_classifier_has_the_reference_figures(unit_cases):
    header = load_unit(
        UpsamplingClassifier(4, 5),
        unit_cases,
        'header',
        'pts_bbox_head.ssc_header',
        'head.ssc_header',
    )
    output = header(torch.from_numpy(normal('header_in', (1, 4, 4, 6, 3), 1)))
    torch.testing.assert_close(
        output, torch.from_numpy(unit_cases['header/out']), rtol=1e-5, atol=1e-5
    )


def test_chunks_are_exact():
    whole, chunked = VoxelClassifier(6, 4), VoxelClassifier(6, 4, chunk_size=7)
    chunked.load_state_dict(whole.state_dict())
    rows = torch.randn(40, 6)
    with torch.no_grad():
        torch.testing.assert_close(chunked(rows), whole(rows), rtol=1e-6, atol=1e-6)
    assert chunked(rows).requires_grad


def test_unet_halves_the_volume_and_puts_z_first():
    output = BEVUNet(8)(torch.rand(2, 16, 24, 8))
    assert output.shape == (2, 4, 8, 12)


def test_segmentation_head_adds_its_branches():
    head = DilatedSegmentationHead(4, dict(type='BN')).eval()
    volume = torch.randn(1, 1, 6, 7, 8)
    logits, guidance = head(volume)
    assert logits.shape == (1, 1, 6, 7, 8)
    assert guidance.shape == (1, 4, 6, 7, 8)
    assert guidance.min() >= 0
    x = head.conv_in(volume).relu()
    for branch in head.branches:
        torch.nn.init.zeros_(branch.norm2.weight)
    torch.testing.assert_close(head(volume)[0], head.classifier(x))


@pytest.mark.parametrize('shape', [(3, 6, 9), (9, 6, 3)])
def test_exchanged_axes_are_the_same_convolution(shape):
    arguments = dict(kernel_size=(3, 1, 3), padding=(2, 0, 1), dilation=(2, 1, 1), stride=(1, 1, 2))
    plain = torch.nn.Conv3d(2, 4, **arguments).double()
    moved = FlatVolumeConv3d(2, 4, **arguments).double()
    moved.load_state_dict(plain.state_dict())
    results = []
    for conv in (plain, moved):
        torch.manual_seed(0)
        x = torch.randn(1, 2, *shape, dtype=torch.float64, requires_grad=True)
        y = conv(x)
        y.square().sum().backward()
        results.append((y, x.grad, conv.weight.grad, conv.bias.grad))
    for found, expected in zip(*results):
        torch.testing.assert_close(found, expected)
