"""Batch and group normalisation of large volumes equals float64 in every order in memory."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mmssc.models.layers import DistributedBN, build_norm
from mmssc.models.layers import norm as norm_layers
from mmssc.ops.exact_norm import normalize

CHANNELS = 12
VOLUME = (2, CHANNELS, 60, 36, 61)  # 263,520 voxels, not a power of two
LAYOUTS = dict(plain=torch.contiguous_format, last=torch.channels_last_3d)
NORMS = dict(
    BN=dict(type='BN'),
    DistributedBN=dict(type='DistributedBN'),
    SyncBN=dict(type='SyncBN'),
    cumulative=dict(type='BN', momentum=None),
    without_affine=dict(type='BN', affine=False),
    GN=dict(type='GN', num_groups=3),
)


def volume(mean, layout, shape=VOLUME):
    """Channels with means of their own, and an incoming gradient that depends on them."""
    torch.manual_seed(0)
    shifts = torch.linspace(0, 1, shape[1]).view(-1, *[1] * (len(shape) - 2))
    noise = torch.randn(shape)
    grad = torch.randn(shape) + noise + shifts
    return tuple(one.contiguous(memory_format=layout) for one in (noise + mean + shifts, grad))


def build(cfg, dims=3, channels=CHANNELS):
    norm = build_norm(cfg, channels, dims).train()
    for number, parameter in enumerate(norm.parameters()):
        nn.init.uniform_(parameter.data, 0.5 - number, 1.5 - number)
    return norm


def step(norm, x, grad):
    """Output, gradients and running statistics."""
    x = x.clone(memory_format=torch.preserve_format).requires_grad_()
    output = norm(x)
    output.backward(grad)
    gradients = [parameter.grad for parameter in norm.parameters()]
    return [output.detach(), x.grad, *gradients, *norm.buffers()]


def largest_errors(found, exact):
    """Of each tensor, relative to the largest value."""
    return [
        float((one.double() - true.double()).abs().max() / true.abs().max())
        for one, true in zip(found, exact)
    ]


def in_float64(cfg, x, grad, dims=3):
    exact = build(cfg, dims, x.shape[1]).double()
    return step(exact, x.double().contiguous(), grad.double().contiguous())


@pytest.mark.parametrize('mean', [0, 100])
@pytest.mark.parametrize('layout', LAYOUTS)
@pytest.mark.parametrize('name', NORMS)
def test_large_volumes_equal_float64(name, layout, mean):
    cfg, (x, grad) = NORMS[name], volume(mean, LAYOUTS[layout])
    torch.manual_seed(1)
    exact = in_float64(cfg, x, grad)
    torch.manual_seed(1)
    found = step(build(cfg), x, grad)
    # float32 itself has seven digits: of values around 100, five are left of the differences.
    assert max(largest_errors(found, exact)) < (2e-6 if mean == 0 else 1e-4)
    assert all(one.is_contiguous(memory_format=LAYOUTS[layout]) for one in found[:2])


@pytest.mark.parametrize('shape', [(300_001, 5), (3, 7, 301, 402)])
def test_rows_and_images(shape):
    layout = torch.channels_last if len(shape) == 4 else torch.contiguous_format
    (x, grad), cfg, dims = volume(100, layout, shape), dict(type='BN'), max(1, len(shape) - 2)
    torch.manual_seed(1)
    exact = in_float64(cfg, x, grad, dims)
    torch.manual_seed(1)
    found = step(build(cfg, dims, shape[1]), x, grad)
    assert max(largest_errors(found, exact)) < 2e-5


@pytest.mark.parametrize('name', ['BN', 'GN'])
def test_bfloat16(name):
    x, grad = (one.bfloat16() for one in volume(3, torch.channels_last_3d))
    torch.manual_seed(1)
    exact = in_float64(NORMS[name], x, grad)
    torch.manual_seed(1)
    norm = build(NORMS[name])
    with torch.autocast('cpu', torch.bfloat16):
        found = step(norm, x, grad)
    assert found[0].dtype == found[1].dtype == torch.bfloat16
    assert max(largest_errors(found[:2], exact)) < 5e-3  # a value has eight bits
    assert max(largest_errors(found[2:], exact[2:])) < 1e-5


def test_statistics_of_the_batch_in_evaluation():
    x, _ = volume(100, torch.channels_last_3d)
    norm = build_norm(dict(type='BN', track_running_stats=False), CHANNELS, 3).eval()
    exact = nn.BatchNorm3d(CHANNELS, track_running_stats=False).double()(x.double().contiguous())
    assert largest_errors([norm(x).detach()], [exact.detach()])[0] < 2e-5


@pytest.mark.parametrize('name', ['BN', 'GN'])
def test_the_output_can_be_changed_in_place(name):
    x, grad = volume(0, torch.channels_last_3d)
    norm = build(NORMS[name])
    inputs = [x.clone(memory_format=torch.preserve_format).requires_grad_() for _ in range(2)]
    torch.relu_(norm(inputs[0])).backward(grad)
    torch.relu(norm(inputs[1])).backward(grad)
    assert torch.equal(inputs[0].grad, inputs[1].grad)


@pytest.mark.parametrize('shape', [(1, 1, 60, 36, 60), (1, 3, 1, 36, 600), (2, 5, 60, 1, 60)])
def test_axes_of_length_one_and_a_weight_without_bias(shape):
    x, grad = volume(1, torch.channels_last_3d, shape)
    weight = torch.linspace(0.5, 1.5, shape[1]).requires_grad_()
    output, mean, var = normalize(x.requires_grad_(), weight, None, 1e-5)
    found = [output.detach(), *torch.autograd.grad(output, (x, weight), grad)]
    x, grad = (one.detach().double().contiguous() for one in (x, grad))
    weight = weight.detach().double().requires_grad_()
    true = F.batch_norm(x.requires_grad_(), None, None, weight, None, True)
    exact = [true.detach(), *torch.autograd.grad(true, (x, weight), grad)]
    assert max(largest_errors(found, exact)) < 2e-6
    assert mean.shape == var.shape == (1, shape[1])


def test_frozen_parameters_get_no_gradient():
    x, grad = volume(1, torch.channels_last_3d)
    norm = build_norm(dict(type='BN', requires_grad=False), CHANNELS, 3)
    norm(x.requires_grad_()).backward(grad)
    assert x.grad is not None and norm.weight.grad is None and norm.bias.grad is None


def test_other_layers_and_names_of_weights_stay(monkeypatch):
    assert type(build_norm(dict(type='SyncBN'), 4, 3)) is type(build_norm(dict(type='BN'), 4, 3))
    monkeypatch.setattr(norm_layers, '_is_distributed', lambda: True)
    synchronised = build_norm(dict(type='SyncBN'), 4, 3)
    assert isinstance(synchronised, nn.SyncBatchNorm)
    assert type(synchronised).__module__.startswith(('torch.', 'mmengine.'))
    for name, cfg in dict(BN=dict(type='BN'), GN=dict(type='GN', num_groups=2)).items():
        norm = build_norm(cfg, 4, 3)
        plain = nn.BatchNorm3d(4) if name == 'BN' else nn.GroupNorm(2, 4)
        assert isinstance(norm, type(plain)) and list(norm.state_dict()) == list(plain.state_dict())
    synchronised = nn.SyncBatchNorm.convert_sync_batchnorm(build_norm(dict(type='BN'), 4, 3))
    assert type(synchronised) is nn.SyncBatchNorm
    assert isinstance(build_norm(dict(type='DistributedBN'), 4, 3), DistributedBN)
