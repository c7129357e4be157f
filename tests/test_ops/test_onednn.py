"""Linear layers and 1x1 convolutions by oneDNN: the results of PyTorch's own layers."""

import pytest
import torch
from mmcv.cnn import Linear as WrappedLinear
from torch import nn
from torch.nn import functional as F

from mmssc.ops import (
    channels_last_on_cpu,
    linear,
    pointwise_conv,
    prefer_onednn,
    prefer_onednn_in_gradients,
)
from mmssc.ops.onednn import matmul


def _draw(*shape, dtype=torch.float32, seed=0):
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def _strided(tensor):
    """The same values with gaps in memory."""
    return torch.stack([tensor, tensor], -1)[..., 0]


@pytest.mark.parametrize('shape', [(3000, 96), (2, 1500, 96), (2, 96), (0, 96)])
@pytest.mark.parametrize('layout', [torch.Tensor.contiguous, _strided])
@pytest.mark.parametrize('with_bias', [True, False])
def test_linear_equals_pytorch_with_its_gradients(shape, layout, with_bias):
    x, weight, bias = _draw(*shape), _draw(64, 96, seed=1), _draw(64, seed=2)
    results = []
    for function in (linear, F.linear):
        inputs = [layout(one).detach().requires_grad_() for one in (x, weight, bias)]
        output = function(*inputs[: 2 + with_bias])
        grads = torch.autograd.grad(output.square().sum(), inputs[: 2 + with_bias])
        with torch.no_grad():
            results.append((output.detach(), function(*inputs[: 2 + with_bias]), *grads))
    for found, expected in zip(*results):
        assert found.shape == expected.shape
        scale = float(expected.abs().max()) if expected.numel() else 0.0
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5 * scale)


@pytest.mark.parametrize('kind', [nn.Linear, WrappedLinear])
def test_layers_whose_gradients_use_onednn_keep_their_output(kind):
    layer, plain = prefer_onednn_in_gradients(kind(96, 64)), nn.Linear(96, 64)
    plain.load_state_dict(layer.state_dict())
    x = _draw(3000, 96).requires_grad_()
    found, expected = layer(x), plain(x)
    assert torch.equal(found, expected)
    with torch.no_grad():
        assert torch.equal(layer(x), expected)
    assert torch.equal(torch.relu_(layer(x.view(2, 1500, 96))), expected.view(2, 1500, 64).relu())
    grads = torch.autograd.grad(found.square().sum(), (x, *layer.parameters()))
    others = torch.autograd.grad(expected.square().sum(), (x, *plain.parameters()))
    assert not torch.equal(grads[1], others[1])  # another order of summation
    for one, other in zip(grads, others):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5 * float(other.abs().max()))


def test_linear_skips_gradients_that_nobody_needs():
    weight = _draw(64, 96, seed=1).requires_grad_()
    linear(_draw(3000, 96), weight).sum().backward()
    torch.testing.assert_close(
        weight.grad, _draw(3000, 96).sum(0).expand(64, -1), atol=1e-3, rtol=0
    )


def test_linear_keeps_other_types_and_follows_autocast():
    x, weight = _draw(3000, 96), _draw(64, 96, seed=1)
    assert torch.equal(linear(x.double(), weight.double()), F.linear(x.double(), weight.double()))
    with torch.autocast('cpu', torch.bfloat16):
        assert linear(x, weight).dtype == torch.bfloat16


@pytest.mark.parametrize('layout', [torch.Tensor.contiguous, _strided])
def test_matmul_equals_pytorch(layout):
    a, b = layout(_draw(3000, 96)), layout(_draw(96, 64, seed=1))
    torch.testing.assert_close(matmul(a, b), a @ b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('dims', [2, 3])
def test_pointwise_convolutions_equal_pytorch_and_keep_their_layout(dims):
    conv = (nn.Conv2d, nn.Conv3d)[dims - 2](16, 24, 1, padding=1)
    x = channels_last_on_cpu(_draw(1, 16, *[40] * dims))
    layout = torch.channels_last if dims == 2 else torch.channels_last_3d
    assert x.is_contiguous(memory_format=layout)
    found = pointwise_conv(x, conv)
    torch.testing.assert_close(found, conv(x), rtol=1e-4, atol=1e-5)
    assert found.is_contiguous(memory_format=layout)


@pytest.mark.parametrize('dilation', [1, 2])
def test_convolutions_along_x_equal_pytorch_with_their_gradients(dilation):
    conv = nn.Conv3d(32, 8, (3, 1, 1), padding=(dilation, 0, 0), dilation=(dilation, 1, 1))
    model = prefer_onednn(nn.Sequential(conv))
    assert type(model[0]) is not nn.Conv3d
    x = _draw(1, 32, 30, 36, 20).requires_grad_()
    found = model(x)
    expected = F.conv3d(x, conv.weight, conv.bias, 1, conv.padding, conv.dilation)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    grads = (torch.autograd.grad(y.square().sum(), (x, conv.weight)) for y in (found, expected))
    for one, other in zip(*grads):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-2)


def test_a_model_keeps_its_weights_and_results():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(16, 32, 3), nn.Conv2d(32, 64, 1), nn.Flatten(2), nn.Linear(900, 1024)
    )
    images = channels_last_on_cpu(_draw(1, 16, 32, 32))
    before, names = model(images), list(model.state_dict())
    assert prefer_onednn(model) is model
    torch.testing.assert_close(model(images), before, rtol=1e-4, atol=1e-5)
    assert list(model.state_dict()) == names
    assert type(model[0]) is nn.Conv2d
    assert isinstance(model[1], nn.Conv2d) and type(model[1]) is not nn.Conv2d
    assert isinstance(model[3], nn.Linear) and type(model[3]) is not nn.Linear


def test_tracing_sees_plain_operations():
    """Counting multiply-adds and exporting need them."""
    layer = prefer_onednn(nn.Sequential(nn.Linear(96, 64)))
    graph = torch.jit.trace(layer, _draw(3000, 96)).inlined_graph
    assert 'aten::linear' in str(graph)


def test_a_single_pixel_takes_no_loop():
    """``slow_conv_dilated2d`` copies the weight element by element."""
    conv = nn.Conv2d(96, 2304, 1)
    x = _draw(1, 96, 1, 1)
    with torch.no_grad(), torch.profiler.profile() as profile:
        found = pointwise_conv(x, conv)
    torch.testing.assert_close(found, conv(x), rtol=1e-4, atol=1e-5)
    assert not any('dilated' in event.key for event in profile.key_averages())


def test_predictions_only_leaves_training_as_it_is():
    def build():
        torch.manual_seed(0)
        along_x = nn.Conv3d(32, 32, (3, 1, 1), padding=(1, 0, 0))
        return nn.Sequential(nn.Conv3d(32, 32, 1), along_x)

    plain = build()
    model = prefer_onednn(nn.Sequential(*build(), nn.Linear(8, 8)), predictions_only=True)
    assert type(model[2]) is nn.Linear
    x = _draw(1, 32, 32, 32, 8).contiguous(memory_format=torch.channels_last_3d)
    assert torch.equal(model[:2](x), plain(x))
    with torch.no_grad():
        found, expected = model[:2](x), plain(x)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert found.is_contiguous(memory_format=torch.channels_last_3d)
