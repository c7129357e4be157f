"""Winograd's form of 3x3 convolutions against float64."""

import copy

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from mmssc.ops import prefer_onednn, winograd
from mmssc.ops.winograd import WinogradConv2d


def layer(channels=(208, 256), **options):
    torch.manual_seed(0)
    return prefer_onednn(nn.Sequential(nn.Conv2d(*channels, 3, **{'padding': 1, **options})))


def images(*shape):
    torch.manual_seed(1)
    return torch.randn(shape).contiguous(memory_format=torch.channels_last)


def error(found, exact):
    return float((found - exact).abs().max() / exact.abs().max())


@pytest.mark.parametrize('sides', [(64, 80), (71, 67), (1, 4700)])
@pytest.mark.parametrize('bias', [True, False])
def test_outputs_and_gradients_are_those_of_float64(sides, bias):
    model, x = layer(bias=bias), images(2, 208, *sides)
    exact = copy.deepcopy(model).double()
    grad = images(2, 256, *sides)
    with torch.no_grad():
        found = model(x)
        assert error(found, exact(x.double())) < 2e-6
    assert found.is_contiguous(memory_format=torch.channels_last) or min(sides) % 2
    results = []
    for network, dtype in ((model, torch.float32), (exact, torch.float64)):
        start = x.to(dtype, copy=True).requires_grad_()
        network(start).backward(grad.to(dtype))
        results.append([start.grad, *(one.grad for one in network.parameters())])
    for found, true in zip(*results):
        assert error(found, true) < 2e-6


def test_wide_layers_of_large_images_take_fewer_products(monkeypatch):
    calls = []
    monkeypatch.setattr(winograd, 'winograd_conv', lambda *given: calls.append(given))
    with torch.no_grad():
        layer()(images(1, 208, 68, 68))
        assert len(calls) == 1
        for model, x in (
            (layer(), images(1, 208, 32, 32)),
            (layer(), torch.randn(1, 208, 68, 68)),
            (layer((64, 64)), images(1, 64, 256, 256)),
            (layer(stride=2), images(1, 208, 68, 68)),
            (layer(dilation=2), images(1, 208, 68, 68)),
            (layer().double(), images(1, 208, 68, 68).double()),
        ):
            assert model(x) is not None
        torch.export.export(layer(), (images(1, 208, 68, 68),))
        with torch.autocast('cpu', torch.bfloat16):
            layer()(images(1, 208, 68, 68))
    assert len(calls) == 1


@pytest.mark.parametrize('frozen', ['weight', 'bias'])
def test_frozen_parameters_get_no_gradient(frozen):
    model = layer()
    getattr(model[0], frozen).requires_grad_(False)
    x = images(1, 208, 68, 68).requires_grad_()
    model(x).sum().backward()
    assert getattr(model[0], frozen).grad is None and x.grad is not None


def test_a_checkpoint_does_not_repeat_the_convolution(monkeypatch):
    model, x = layer(), images(1, 208, 68, 68).requires_grad_()
    assert type(model[0]) is WinogradConv2d

    def block(values):
        return model(values * 2)

    (plain,) = torch.autograd.grad(block(x).relu_().sum(), x)
    calls, convolve = [], winograd._convolve
    monkeypatch.setattr(winograd, '_convolve', lambda *given: calls.append(1) or convolve(*given))
    output = checkpoint(block, x, use_reentrant=False).relu_()
    assert torch.equal(torch.autograd.grad(output.sum(), x)[0], plain)
    assert len(calls) == 1
