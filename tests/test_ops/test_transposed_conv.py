import torch
from torch import nn

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
