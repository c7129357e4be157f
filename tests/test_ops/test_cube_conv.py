"""Convolutions by 3x3x3 kernels: outputs and gradients of PyTorch's layer in float64."""

import pytest
import torch
from torch import nn

from mmssc.ops import channels_last_on_cpu
from mmssc.ops.cube_conv import CubeConv3d


def _results(layer, volume):
    volume = volume.clone(memory_format=torch.preserve_format).requires_grad_()
    output = layer(volume)
    grads = torch.autograd.grad(output.sin().sum(), (volume, *layer.parameters()))
    return output, *grads


@pytest.mark.parametrize(('channels', 'shape', 'bias', 'dilation'), [
    ((64, 96), (21, 20, 21), False, 1),  # fewer products; the last tile is not full
    ((96, 64), (20, 21, 20), True, 1),
    ((64, 64), (2, 66, 70), False, 1),  # no full tile
    ((64, 64), (21, 20, 21), True, 2),
    ((64, 72), (2, 66, 70), False, 3),  # fewer planes than the dilation
    ((3, 5), (7, 6, 5), True, 1),
    ((1, 3), (1, 2, 9), False, 1),
    ((4, 3), (2, 5, 9), True, 3),
], ids=str)  # fmt: skip
def test_results_are_those_of_float64(channels, shape, bias, dilation):
    torch.manual_seed(0)
    options = dict(padding=dilation, dilation=dilation, bias=bias)
    layer = CubeConv3d(*channels, 3, **options)
    plain = nn.Conv3d(*channels, 3, **options).double()
    plain.load_state_dict(layer.state_dict())
    volume = channels_last_on_cpu(torch.randn(2, channels[0], *shape))
    assert layer.is_fast(volume)
    found, expected = _results(layer, volume), _results(plain, volume.double())
    for one in found[:2]:
        assert one.is_contiguous(memory_format=torch.channels_last_3d)
    for one, true in zip(found, expected):
        assert (one - true).abs().max() < 1e-5 * true.abs().max()


def test_rounding_is_that_of_a_direct_convolution():
    torch.manual_seed(0)
    layer = CubeConv3d(64, 128, 3, padding=1, bias=False)
    plain = nn.Conv3d(64, 128, 3, padding=1, bias=False)
    plain.load_state_dict(layer.state_dict())
    volume = channels_last_on_cpu(torch.randn(1, 64, 24, 20, 20))
    exact = _results(plain.double(), volume.double())
    found, direct = _results(layer, volume), _results(plain.float(), volume)
    for one, other, true in zip(found, direct, exact):
        error, usual = ((result - true).square().mean().sqrt() for result in (one, other))
        assert error < 3 * usual


@pytest.mark.parametrize('options', [
    dict(stride=2, padding=1), dict(padding=1, dilation=2), dict(padding=0),
    dict(padding=(1, 2, 2), dilation=2),
    dict(padding=1, groups=2), dict(padding=1, padding_mode='circular'), dict(padding='same'),
], ids=str)  # fmt: skip
def test_other_kernels_are_left_to_pytorch(options):
    layer, plain = CubeConv3d(4, 6, 3, **options), nn.Conv3d(4, 6, 3, **options)
    plain.load_state_dict(layer.state_dict())
    volume = channels_last_on_cpu(torch.randn(1, 4, 6, 6, 6))
    assert not layer.is_fast(volume) and torch.equal(layer(volume), plain(volume))


def test_other_tensors_are_left_to_pytorch():
    layer = CubeConv3d(4, 6, 3, padding=1)
    volume = torch.randn(1, 4, 6, 6, 6)
    assert not layer.is_fast(volume) and layer(volume).is_contiguous()
    volume = channels_last_on_cpu(volume)
    assert not layer.double().is_fast(volume.double())
    with torch.autocast('cpu', torch.bfloat16):
        assert layer.float()(volume).dtype == torch.bfloat16
    traced = torch.jit.trace(layer, volume).inlined_graph
    assert 'aten::_convolution' in str(traced)
