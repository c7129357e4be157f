"""Header, segmentation head and U-Net."""

import pytest
import torch
from reference_units import load_unit
from torch import nn
from torch.nn import functional as F

from mmssc.models.layers import (
    DilatedSegmentationHead,
    OccupancySegmentationHead,
    UpsamplingClassifier,
    VoxelClassifier,
)
from mmssc.models.layers.bev_unet import BEVUNet
from mmssc.models.layers.memory_layout import fast_layout
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


@pytest.mark.parametrize('shape', [(2, 4, 5, 3, 6), (1, 4, 1, 2, 1), (1, 4, 9, 30, 30)])
@pytest.mark.parametrize('scale', [1, 2, 3])
def test_upsampling_plane_by_plane_equals_one_pass(shape, scale):
    torch.manual_seed(0)
    classifier = UpsamplingClassifier(4, 5, scale).double()
    for parameter in classifier.parameters():
        nn.init.normal_(parameter)
    volume = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    fine = F.interpolate(volume, scale_factor=scale, mode='trilinear', align_corners=True)
    rows = fine.permute(0, 2, 3, 4, 1)
    expected = classifier.classifier(classifier.norm(rows)).permute(0, 4, 1, 2, 3)
    found = classifier(volume)
    torch.testing.assert_close(found, expected)
    inputs = (volume, *classifier.parameters())
    seed = torch.randn_like(expected)
    for one, other in zip(*(torch.autograd.grad(y, inputs, seed) for y in (found, expected))):
        torch.testing.assert_close(one, other)


def test_upsampled_features_are_not_stored():
    classifier, volume = UpsamplingClassifier(16, 5), torch.randn(1, 16, 8, 8, 8)
    sizes = []

    def pack(tensor):
        sizes.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        classifier(volume.requires_grad_())
    assert sum(sizes) < 2 * volume.numel()


def test_upsampling_in_bfloat16_keeps_the_shares_of_the_planes():
    torch.manual_seed(0)
    classifier, volume = UpsamplingClassifier(16, 5), torch.randn(1, 16, 33, 4, 4)
    expected = classifier(volume)
    volume = volume.bfloat16().requires_grad_()
    with torch.autocast('cpu', torch.bfloat16):
        found = classifier(volume)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), expected, rtol=0.02, atol=0.02)
    found.float().sum().backward()
    assert volume.grad.dtype == torch.bfloat16 and volume.grad.isfinite().all()


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


@pytest.mark.parametrize('sides', [(96, 96, 8), (160, 160, 8)])
def test_volumes_of_one_channel_lead_to_channels_last_volumes(sides):
    """Their two orders are the same bytes, so PyTorch keeps the slow one if nothing says more."""
    volume = fast_layout(torch.rand(1, 1, *sides))
    assert volume.stride(1) == 1 and volume.is_contiguous()
    found = []
    head = OccupancySegmentationHead(5)
    for module in head.modules():
        if isinstance(module, nn.Conv3d):
            module.register_forward_pre_hook(lambda _, inputs: found.append(inputs[0].stride(1)))
    head(volume).sum().backward()
    assert len(found) == 8 + 3 and set(found) == {1}  # three are computed again
