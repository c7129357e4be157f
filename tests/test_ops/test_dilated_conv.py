"""Dilated convolutions that train fast: the results of PyTorch's own."""

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from mmssc.models.heads.sgn import ASPP3d
from mmssc.models.layers import ResidualASPP3d
from mmssc.ops import dilated_conv
from mmssc.ops.dilated_conv import DilatedConv3d


def channels_last(x):
    return x.contiguous(memory_format=torch.channels_last_3d)


def count_splits(monkeypatch):
    """The number of weight gradients that are computed plane by plane."""
    calls, original = [], dilated_conv._weight_gradient
    monkeypatch.setattr(
        dilated_conv, '_weight_gradient', lambda *args: calls.append(1) or original(*args)
    )
    return calls


@pytest.mark.parametrize('side', [1, 2, 5, 6, 8])
@pytest.mark.parametrize(
    'options',
    [
        dict(padding=2, dilation=2),
        dict(padding=(6, 3, 0), dilation=(3, 3, 1)),
        dict(padding=(0, 1, 2), dilation=(2, 1, 2)),
    ],
)
@pytest.mark.parametrize('layout', [channels_last, torch.Tensor.contiguous])
def test_values_and_gradients_equal_those_of_pytorch(monkeypatch, side, options, layout):
    calls = count_splits(monkeypatch)
    torch.manual_seed(0)
    fast, plain = DilatedConv3d(16, 4, 3, **options), nn.Conv3d(16, 4, 3, **options)
    plain.load_state_dict(fast.state_dict())
    if fast.padding[0] == 0:
        side = max(side, 5)  # The kernel has to fit.
    x = layout(torch.randn(2, 16, side, 7, 6)).requires_grad_()
    found, expected = fast(x), plain(x)
    assert torch.equal(found, expected)
    factor = torch.randn_like(found)
    one = torch.autograd.grad(found, (x, *fast.parameters()), factor)
    other = torch.autograd.grad(expected, (x, *plain.parameters()), factor)
    assert calls == [1]
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('dilation', [(1, 1, 1), (3, 3, 3), (2, 1, 3)], ids=str)
def test_many_channels_take_fewer_products_in_predictions_and_gradients(dilation):
    torch.manual_seed(0)
    options = dict(padding=dilation, dilation=dilation)
    fast, plain = DilatedConv3d(64, 80, 3, **options), nn.Conv3d(64, 80, 3, **options)
    plain.load_state_dict(fast.state_dict())
    x = channels_last(torch.randn(2, 64, 22, 20, 19)).requires_grad_()
    found, expected = fast(x), plain(x)
    assert torch.equal(found, expected)  # of a training
    factor = torch.randn_like(found)
    one = torch.autograd.grad(found, (x, *fast.parameters()), factor)
    other = torch.autograd.grad(plain.double()(x.double()), (x, *plain.parameters()), factor)
    with torch.no_grad():
        one, other = (fast(x), *one), (plain(x.double()), *other)
    assert not torch.equal(one[0], found)
    for result, true in zip(one, other):
        assert (result - true).abs().max() < 1e-5 * true.abs().max()


def test_a_frozen_weight_and_mixed_precision(monkeypatch):
    calls = count_splits(monkeypatch)
    conv = DilatedConv3d(16, 16, 3, padding=2, dilation=2, bias=False).requires_grad_(False)
    x = channels_last(torch.randn(1, 16, 6, 5, 4)).requires_grad_()
    conv(x).sum().backward()
    assert x.grad is not None and conv.weight.grad is None and not calls
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert conv(x).dtype == torch.bfloat16


def test_a_second_derivative_is_refused():
    conv = DilatedConv3d(16, 16, 3, padding=2, dilation=2)
    x = channels_last(torch.randn(1, 16, 6, 5, 4)).requires_grad_()
    (gradient,) = torch.autograd.grad(conv(x).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match='once_differentiable'):
        gradient.sum().backward()


@pytest.mark.parametrize('module, channels', [
    (ASPP3d(32), 32), (ResidualASPP3d(16), 16), (ResidualASPP3d(8), 8),
])  # fmt: skip
def test_heads_use_it_for_each_dilated_convolution(monkeypatch, module, channels):
    calls = count_splits(monkeypatch)
    x = channels_last(torch.randn(1, channels, 56, 48, 8)).requires_grad_()
    module(x).sum().backward()
    assert len(calls) == sum(conv.dilation[0] > 1 for conv in module.modules()
                             if isinstance(conv, nn.Conv3d))  # fmt: skip


def test_the_gradient_of_the_bias_is_exact():
    """oneDNN is off by 1e-5 here, and by 1e-2 in a head where the voxels cancel each other."""
    torch.manual_seed(0)
    conv = DilatedConv3d(8, 20, 3, padding=1)
    x = channels_last(torch.randn(1, 8, 128, 128, 16))
    grad = channels_last(torch.rand(1, 20, 128, 128, 16) + 1)
    conv(x).backward(grad)
    expected = grad.double().sum((0, 2, 3, 4)).float()
    torch.testing.assert_close(conv.bias.grad, expected, rtol=1e-6, atol=0)


def test_a_checkpoint_does_not_repeat_the_convolution(monkeypatch):
    conv = DilatedConv3d(16, 16, 3, padding=2, dilation=2)
    x = channels_last(torch.randn(1, 16, 48, 40, 4)).requires_grad_()
    calls, convolve = [], torch.nn.functional.conv3d
    monkeypatch.setattr(
        dilated_conv.F,
        'conv3d',
        lambda *args, **options: calls.append(1) or convolve(*args, **options),
    )
    checkpoint(lambda values: conv(values * 2), x, use_reentrant=False).sum().backward()
    assert x.grad is not None and calls == [1]
