"""Small volumes through oneDNN: the results of PyTorch's own convolution."""

import pytest
import torch
from torch import nn

from mmssc.ops import onednn_conv, prefer_onednn
from mmssc.ops.onednn_conv import OneDNNConv3d, leaves_onednn

SETTINGS = [
    dict(kernel_size=3, padding=1),
    dict(kernel_size=3, padding=4, dilation=4),
    dict(kernel_size=(3, 1, 3), padding=(2, 0, 1), dilation=(2, 1, 1), stride=(1, 1, 2)),
    dict(kernel_size=2, stride=2, bias=False),
]


def results(conv, x, factor):
    output = conv(x)
    return output, *torch.autograd.grad(output, (x, *conv.parameters()), factor)


@pytest.mark.parametrize('settings', SETTINGS)
@pytest.mark.parametrize('layout', [torch.channels_last_3d, torch.contiguous_format])
def test_values_and_gradients_equal_those_of_pytorch(settings, layout):
    torch.manual_seed(0)
    fast, plain = OneDNNConv3d(6, 4, **settings), nn.Conv3d(6, 4, **settings)
    plain.load_state_dict(fast.state_dict())
    x = torch.randn(1, 6, 8, 9, 10).contiguous(memory_format=layout).requires_grad_()
    assert leaves_onednn(x, fast)
    factor = torch.randn_like(plain(x))
    expected = results(plain.double(), x.detach().double().requires_grad_(), factor.double())
    plain.float()
    for found, true in zip(results(fast, x, factor), expected):
        assert (found - true).abs().max() < 2e-6 * true.abs().max()
    with torch.no_grad():
        predicted = fast(x)
    assert torch.equal(predicted, fast(x))


def test_channels_last_volumes_and_gradients_stay_channels_last():
    conv = OneDNNConv3d(8, 8, 3, padding=1)
    x = torch.randn(1, 8, 9, 7, 5).contiguous(memory_format=torch.channels_last_3d)
    output, to_x, *_ = results(conv, x.requires_grad_(), torch.ones(1, 8, 9, 7, 5))
    assert output.is_contiguous(memory_format=torch.channels_last_3d)
    assert to_x.is_contiguous(memory_format=torch.channels_last_3d)


def test_frozen_parts_get_no_gradient():
    conv = OneDNNConv3d(3, 3, 3, padding=1).requires_grad_(False)
    x = torch.randn(1, 3, 6, 6, 6, requires_grad=True)
    conv(x).sum().backward()
    assert x.grad is not None and conv.weight.grad is None
    conv.requires_grad_(True)
    conv(x.detach()).sum().backward()
    assert conv.weight.grad is not None and conv.bias.grad is not None


@pytest.mark.parametrize(
    'x',
    [
        torch.randn(2, 8, 4, 4, 4),
        torch.randn(1, 8, 64, 64, 2),
        torch.randn(1, 8, 4, 4, 4).double(),
        torch.randn(1, 8, 4, 4, 4).bfloat16(),
    ],
    ids=['two samples', 'large', 'float64', 'bfloat16'],
)
def test_other_tensors_use_pytorch(x, monkeypatch):
    monkeypatch.setattr(onednn_conv, 'convolve_with', None)
    conv, plain = OneDNNConv3d(8, 2, 3, padding=1), nn.Conv3d(8, 2, 3, padding=1)
    plain.load_state_dict(conv.state_dict())
    assert torch.equal(conv.to(x.dtype)(x), plain.to(x.dtype)(x))


def test_a_trained_model_is_changed_in_place():
    model = nn.Sequential(nn.Conv3d(2, 2, 3), nn.Conv3d(2, 2, 3, groups=2), nn.Conv2d(2, 2, 3))
    changed = prefer_onednn(model)
    assert [type(layer) for layer in changed] == [OneDNNConv3d, OneDNNConv3d, nn.Conv2d]
    x = torch.randn(1, 2, 6, 6, 6, requires_grad=True)
    changed[:2](x).sum().backward()
    assert all(weight.grad is not None for weight in changed[:2].parameters())
