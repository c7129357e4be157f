import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from mmssc.ops import transposed_conv
from mmssc.ops.transposed_conv import TransposedConv3d


def test_values_and_gradients_equal_those_of_pytorch():
    options = dict(stride=2, padding=1, output_padding=1)
    fast = TransposedConv3d(4, 6, 3, **options)
    plain = nn.ConvTranspose3d(4, 6, 3, **options)
    plain.load_state_dict(fast.state_dict())
    x = torch.randn(2, 4, 5, 3, 4).contiguous(memory_format=torch.channels_last_3d).requires_grad_()
    found, expected = fast(x), plain(x)
    torch.testing.assert_close(found, expected)
    factor = torch.randn_like(found)
    one = torch.autograd.grad(found, (x, *fast.parameters()), factor)
    other = torch.autograd.grad(expected, (x, *plain.parameters()), factor)
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_a_frozen_weight_and_mixed_precision():
    conv = TransposedConv3d(4, 6, 3, stride=2, bias=False).requires_grad_(False)
    x = torch.randn(1, 4, 5, 3, 4, requires_grad=True)
    conv(x).sum().backward()
    assert x.grad is not None and conv.weight.grad is None
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert conv(x).dtype == torch.bfloat16


def test_a_checkpoint_does_not_repeat_the_convolution(monkeypatch):
    conv = TransposedConv3d(4, 6, 3, stride=2)
    x = torch.randn(1, 4, 5, 3, 4, requires_grad=True)
    calls, convolve = [], torch.nn.functional.conv_transpose3d
    monkeypatch.setattr(
        torch.nn.functional, 'conv_transpose3d', lambda *args: calls.append(1) or convolve(*args)
    )
    checkpoint(lambda values: conv(values * 2), x, use_reentrant=False).sum().backward()
    assert x.grad is not None and calls == [1]


@pytest.mark.parametrize('options', [
    dict(kernel_size=3, stride=2, padding=1, output_padding=1), dict(kernel_size=2, stride=2),
    dict(kernel_size=(3, 1, 4), stride=(1, 2, 3), padding=(2, 0, 1), dilation=(2, 1, 1)),
    dict(kernel_size=3, stride=1, padding=1, bias=False),
    dict(kernel_size=3, stride=(1, 1, 2), padding=1, output_padding=(0, 0, 1)),
    dict(kernel_size=(4, 2, 3), stride=(4, 2, 3)), dict(kernel_size=2, stride=2, bias=False),
    dict(kernel_size=3, stride=2, padding=4, output_padding=1), dict(kernel_size=3, groups=2),
], ids=str)  # fmt: skip
@pytest.mark.parametrize('amp', [False, True])
@pytest.mark.parametrize('piece_bytes', [1 << 28, 10_000, 1])
def test_gradients_of_all_options_equal_those_of_pytorch(options, amp, piece_bytes, monkeypatch):
    monkeypatch.setattr(transposed_conv, '_PIECE_BYTES', piece_bytes)
    torch.manual_seed(0)
    fast, plain = TransposedConv3d(4, 6, **options), nn.ConvTranspose3d(4, 6, **options)
    plain.load_state_dict(fast.state_dict())
    x = torch.randn(2, 4, 7, 6, 8).contiguous(memory_format=torch.channels_last_3d)
    grads = []
    for layer in (fast, plain):
        volume = x.clone(memory_format=torch.preserve_format).requires_grad_()
        with torch.autocast('cpu', torch.bfloat16, enabled=amp):
            output = layer(volume)
        assert output.dtype == (torch.bfloat16 if amp else torch.float32)
        loss = output.float().square().sum()
        grads.append(torch.autograd.grad(loss, (volume, *layer.parameters())))
    for found, expected in zip(*grads):
        scale = float(expected.abs().max())
        torch.testing.assert_close(found, expected, rtol=0, atol=(0.03 if amp else 1e-5) * scale)
