"""DDR blocks: shapes, the sums before ReLU, and which shortcuts exist."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mmssc.models.layers import (
    ConvBlock3D,
    DDRBottleneck3D,
    DDRStage,
    TwoStageUNet,
    UpsampleBlock3D,
    conv_stack,
)


def randomized(module: torch.nn.Module) -> torch.nn.Module:
    """Statistics and scales that a forgotten normalisation would show."""
    generator = torch.Generator().manual_seed(0)
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            noise = torch.randn(tensor.shape, generator=generator)
            tensor.copy_(1 + 0.2 * noise.abs() if 'running_var' in name else 0.3 * noise)
    return module.eval()


def written_out(block: DDRBottleneck3D, x: Tensor, stride: int, dilation: int) -> Tensor:
    """The block with the formulas of the paper and functional operations only."""
    state = block.state_dict()

    def norm(y: Tensor, name: str) -> Tensor:
        mean, var, weight, bias = (
            state[f'{name}.{key}'].view(1, -1, 1, 1, 1)
            for key in ('running_mean', 'running_var', 'weight', 'bias')
        )
        return (y - mean) / (var + 1e-5).sqrt() * weight + bias

    def shortcut(y: Tensor, name: str, kernel: tuple[int, ...]) -> Tensor:
        y = F.conv3d(F.avg_pool3d(y, kernel, kernel), state[f'{name}.1.weight'])
        return norm(y, f'{name}.2')

    def along(y: Tensor, number: int, axis: int) -> Tensor:
        options = [tuple(v if a == axis else e for a in range(3))
                   for v, e in ((stride, 1), (dilation, 0), (dilation, 1))]  # fmt: skip
        return norm(F.conv3d(y, state[f'conv{number}.weight'], None, *options), f'bn{number}')

    o1 = norm(F.conv3d(x, state['conv1.weight']), 'bn1').relu()
    o2 = along(o1, 2, 2)
    o3 = along(o2.relu(), 3, 1)
    if stride != 1:
        o2 = shortcut(o2, 'downsample2', (1, stride, 1))
    o3 = o3 + o2
    o4 = along(o3.relu(), 4, 0)
    if stride != 1:
        o2 = shortcut(o2, 'downsample3', (stride, 1, 1))
        o3 = shortcut(o3, 'downsample4', (stride, 1, 1))
    o4 = o4 + o2 + o3
    o5 = norm(F.conv3d(o4.relu(), state['conv5.weight']), 'bn5')
    if 'downsample.1.weight' in state:
        x = shortcut(x, 'downsample', (stride,) * 3)
    return (o5 + x).relu()


@pytest.mark.parametrize(
    'stride, dilation, expansion', [(1, 1, 2), (1, 3, 2), (2, 1, 4), (3, 1, 4)]
)
def test_bottleneck_equals_its_formulas(stride: int, dilation: int, expansion: int) -> None:
    block = DDRBottleneck3D(
        8, 4, expansion, stride=stride, dilation=dilation, downsample=stride > 1
    )
    randomized(block)
    x = torch.randn(2, 8, 6, 12, 18, generator=torch.Generator().manual_seed(1))
    found = block(x)
    assert found.shape == (2, 4 * expansion, 6 // stride, 12 // stride, 18 // stride)
    assert 0.02 < (found == 0).float().mean() < 0.98
    torch.testing.assert_close(found, written_out(block, x, stride, dilation))


def test_shortcuts_exist_only_where_they_are_used() -> None:
    names = {name.split('.')[0] for name, _ in DDRBottleneck3D(8, 2).named_parameters()}
    assert names == {f'{kind}{i}' for kind in ('conv', 'bn') for i in range(1, 6)}
    strided = DDRBottleneck3D(8, 2, 8, stride=2, downsample=True)
    names = {name.split('.')[0] for name, _ in strided.named_parameters()}
    assert {'downsample', 'downsample2', 'downsample3', 'downsample4'} < names


def test_block_that_cannot_add_its_input_is_refused() -> None:
    with pytest.raises(ValueError, match='downsample: expected true'):
        DDRBottleneck3D(8, 4)
    with pytest.raises(ValueError, match='downsample: expected true'):
        DDRBottleneck3D(8, 2, stride=2)


def test_odd_sides_are_rounded_up() -> None:
    block = DDRBottleneck3D(4, 1, 4, stride=2, downsample=True)
    assert block(torch.zeros(2, 4, 5, 7, 4)).shape == (2, 4, 3, 4, 2)


@pytest.mark.parametrize('channels', [8, 16])
def test_trunk_and_unet(channels: int) -> None:
    unet = TwoStageUNet(channels)
    x = torch.randn(2, channels, 8, 4, 12)
    s1, s2 = unet.trunk(x)
    assert s1.shape == (2, channels, 4, 2, 6) and s2.shape == (2, 2 * channels, 2, 1, 3)
    assert unet(x).shape == x.shape
    second = unet.trunk.layer2
    assert second[0].conv2.weight.shape[0] == channels // 4
    assert [block.conv2.weight.shape[0] for block in list(second)[1:]] == 3 * [channels // 2]
    assert [block.conv4.dilation for block in list(second)[1:]] == [(d, 1, 1) for d in (1, 2, 3)]


def test_unet_skips_at_half_resolution_only() -> None:
    unet = randomized(TwoStageUNet(8))
    x = torch.randn(2, 8, 8, 4, 8)
    s1, s2 = unet.trunk(x)
    expected = unet.up2(unet.up1(s2) + s1)
    torch.testing.assert_close(unet(x), expected)


def test_sides_must_divide() -> None:
    with pytest.raises(ValueError, match=r'multiple of 4.*6'):
        TwoStageUNet(8)(torch.zeros(1, 8, 8, 6, 8))
    with pytest.raises(ValueError, match='found 6 to 6 channels'):
        DDRStage(6, 6)


def test_upsampling_drops_elements_in_training_only() -> None:
    block = UpsampleBlock3D(4, 4, dropout=0.5)
    x = torch.randn(2, 4, 3, 2, 3)
    assert block.conv.bias is not None and block(x).shape == (2, 4, 6, 4, 6)
    positive = block.eval()(x) > 0
    block.train()
    block.norm.eval()
    kept = (block(x) > 0)[positive].float().mean()
    assert 0.3 < kept < 0.7


def test_conv_stack() -> None:
    stack = conv_stack((1, 3, 5))
    assert [block.conv.weight.shape[:2] for block in stack] == [(3, 1), (5, 3)]
    assert stack(torch.randn(2, 1, 4, 4, 4)).min() == 0


def test_a_stack_equals_its_layers_and_convolves_once(monkeypatch):
    stack = conv_stack((2, 3, 5, 4))
    plain = torch.nn.Sequential(
        *(part for block in stack for part in (block.conv, block.norm, torch.nn.ReLU()))
    )
    plain = copy.deepcopy(plain)
    x = torch.randn(2, 2, 6, 5, 4)
    calls = []
    convolve = torch.mkldnn_convolution

    def counting(*args):
        calls.append(args)
        return convolve(*args)

    monkeypatch.setattr(torch, 'mkldnn_convolution', counting)
    results = []
    for network in (stack, plain):
        volume = x.contiguous(memory_format=torch.channels_last_3d).requires_grad_()
        output = network(volume)
        grads = torch.autograd.grad(output.square().sum(), (volume, *network.parameters()))
        results.append((output, *grads, *(buffer.float() for buffer in network.buffers())))
        assert len(calls) == 2 * 3  # forward pass, gradient of the input
        calls.clear()
    for found, expected in zip(*results):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_a_stack_of_frozen_layers_passes_the_gradient():
    stack = conv_stack((2, 3, 5)).requires_grad_(False)
    x = torch.randn(2, 2, 6, 5, 4, requires_grad=True)
    stack(x).sum().backward()
    assert x.grad is not None and x.grad.any()
    assert all(parameter.grad is None for parameter in stack.parameters())
    stack[1].conv.requires_grad_(True)
    stack(x.detach()).sum().backward()
    assert stack[1].conv.weight.grad.any() and stack[0].conv.weight.grad is None


def test_blocks_keep_volumes_channels_last_on_a_cpu():
    x = torch.randn(2, 8, 8, 4, 8)
    layout = dict(memory_format=torch.channels_last_3d)
    assert TwoStageUNet(8)(x).is_contiguous(**layout)
    swapped = x.contiguous(**layout).transpose(2, 4)
    assert TwoStageUNet(8)(swapped).is_contiguous(**layout)


@pytest.mark.parametrize('shape, is_fast', [((1, 64, 32, 16, 16), True), ((1, 64, 8, 8, 8), False)])
def test_only_large_volumes_change_their_memory_order_in_training(shape, is_fast):
    """The block of VoxDet: results and gradients are those of PyTorch in both orders."""
    torch.manual_seed(0)
    block = ConvBlock3D(64, 64, norm_cfg=dict(type='GN', num_groups=8), channels_last=False)
    x = torch.randn(shape, requires_grad=True)
    found = block.convolve(x)
    assert found.is_contiguous(memory_format=torch.channels_last_3d) is is_fast
    again, weight = (one.detach().double().requires_grad_() for one in (x, block.conv.weight))
    expected = F.conv3d(again, weight, padding=1)
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-5)
    tops = torch.randn(shape)
    found.backward(tops)
    expected.backward(tops.double())
    for one, other in ((x, again), (block.conv.weight, weight)):
        error = (one.grad.double() - other.grad).norm() / other.grad.norm()
        assert error < 1e-5
