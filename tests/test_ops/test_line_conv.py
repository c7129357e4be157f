"""Convolutions along a line as convolutions of images: the results of PyTorch's own layer."""

import pytest
import torch
from torch import nn

from mmssc.ops import channels_last_on_cpu, prefer_onednn
from mmssc.ops.line_conv import LineConv3d, has_line_kernel, line_conv


def _conv(axis, kernel=3, stride=1, dilation=1, **options):
    sides = [[1, 1, 1], [1, 1, 1], [0, 0, 0], [1, 1, 1]]
    for side, value in zip(sides, (kernel, stride, dilation * (kernel // 2), dilation)):
        side[axis] = value
    return nn.Conv3d(6, 4, *sides, **options)


def _volume(batch=2):
    generator = torch.Generator().manual_seed(0)
    return channels_last_on_cpu(torch.randn(batch, 6, 9, 8, 7, generator=generator))


@pytest.mark.parametrize('axis', [0, 1, 2])
@pytest.mark.parametrize('options', [
    dict(), dict(stride=2), dict(stride=3), dict(dilation=3), dict(kernel=1),
    dict(kernel=1, stride=2), dict(groups=2),
], ids=str)  # fmt: skip
@pytest.mark.parametrize('batch', [1, 2])
def test_outputs_and_gradients_equal_those_of_the_layer(axis, options, batch):
    conv = _conv(axis, **options)
    assert has_line_kernel(conv)
    sides = (conv.kernel_size, conv.stride, conv.padding, conv.dilation)
    layer = LineConv3d(6, 4, *sides, conv.groups)
    layer.load_state_dict(conv.state_dict())
    results = []
    for function in (layer, conv):
        x = _volume(batch).requires_grad_()
        output = function(x)
        results.append(
            (output, *torch.autograd.grad(output.sin().sum(), (x, *function.parameters())))
        )
    assert results[0][0].is_contiguous(memory_format=torch.channels_last_3d)
    for found, expected in zip(*results):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_small_volumes_stay_channels_last_in_a_model():
    """PyTorch's own choice for them leaves the order, also that of the gradients."""
    volume = _volume(1).requires_grad_()
    model = prefer_onednn(nn.Sequential(_conv(2), nn.Conv3d(4, 6, 1), _conv(0)))
    output = model(volume)
    assert output.is_contiguous(memory_format=torch.channels_last_3d)
    (grad,) = torch.autograd.grad(output, volume, torch.ones_like(output))
    assert grad.is_contiguous(memory_format=torch.channels_last_3d)


def test_other_kernels_and_other_orders_are_left_to_the_layer():
    assert not has_line_kernel(nn.Conv3d(6, 4, (3, 3, 1)))
    assert not has_line_kernel(nn.Conv3d(6, 4, (3, 1, 1), stride=(1, 2, 1)))
    assert not has_line_kernel(nn.Conv3d(6, 4, (3, 1, 1), padding=1))
    assert not has_line_kernel(nn.Conv3d(6, 4, 1, padding_mode='reflect'))
    assert not has_line_kernel(nn.Conv3d(6, 4, (3, 1, 1), padding='same'))
    conv = _conv(2)
    assert line_conv(_volume().contiguous(), conv) is None
    model = prefer_onednn(nn.Sequential(conv))
    traced = torch.jit.trace(model, _volume()).inlined_graph
    assert 'aten::_convolution' in str(traced) and 'view' not in str(traced)


@pytest.mark.parametrize('axis', [0, 1, 2])
@pytest.mark.parametrize('channels', [6, 24])
def test_gradients_in_bfloat16_are_those_of_float32(axis, channels):
    """oneDNN gets some wrong: in three dimensions, and with 24 channels in two dimensions."""
    for stride, dilation in ((1, 1), (2, 1), (3, 1), (1, 2), (1, 3)):
        torch.manual_seed(0)
        kernel, strides, padding, dilations = [1, 1, 1], [1, 1, 1], [0, 0, 0], [1, 1, 1]
        kernel[axis], strides[axis], padding[axis], dilations[axis] = 3, stride, dilation, dilation
        layer = LineConv3d(channels, 4, kernel, strides, padding, dilations)
        volume = channels_last_on_cpu(torch.randn(1, channels, 9, 8, 32)).requires_grad_()
        grads = []
        for enabled in (False, True):
            with torch.autocast('cpu', torch.bfloat16, enabled=enabled):
                output = layer(volume)
            assert output.is_contiguous(memory_format=torch.channels_last_3d)
            loss = output.float().square().sum()
            grads.append(torch.autograd.grad(loss, (volume, layer.weight)))
        for exact, rounded in zip(*grads):
            assert (exact - rounded).abs().max() < 0.05 * exact.abs().max()
