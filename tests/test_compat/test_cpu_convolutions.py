import pytest
import torch
from torch import nn
from torch.nn import functional as F

import mmssc  # noqa: F401
from mmssc.compat.cpu_convolutions import _has_avx512


def operators(module, *inputs):
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        module(*inputs)
    return {event.key for event in profile.key_averages()}


@pytest.mark.parametrize(
    'conv, shape',
    [
        (nn.Conv3d(32, 8, 1), (1, 32, 30, 36, 20)),
        (nn.Conv3d(32, 8, (3, 1, 1), padding=(1, 0, 0), bias=False), (1, 32, 30, 36, 20)),
        (nn.Conv2d(32, 8, 1), (1, 32, 30, 36)),
    ],
)
def test_one_voxel_kernels_use_onednn_with_the_same_results(conv, shape):
    if not _has_avx512():
        pytest.skip('needs a CPU with AVX-512')
    function = F.conv2d if isinstance(conv, nn.Conv2d) else F.conv3d
    x = torch.randn(shape, requires_grad=True)
    options = (conv.weight, conv.bias, conv.stride, conv.padding)
    expected = function(x, *options)
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # with more threads PyTorch takes oneDNN itself
    try:
        found = conv(x)
        assert 'aten::mkldnn_convolution' in operators(conv, x)
    finally:
        torch.set_num_threads(before)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    ones = torch.ones_like(found)
    grads = (torch.autograd.grad(y, (x, conv.weight), ones) for y in (found, expected))
    for one, other in zip(*grads):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-3)


def test_other_convolutions_are_left_as_they_are():
    for conv, shape in (
        (nn.Conv2d(4, 8, 1), (4, 5, 6)),  # no batch axis
        (nn.Conv2d(4, 8, 1, padding='same'), (2, 4, 5, 6)),
        (nn.Conv2d(4, 8, 1, padding=1, padding_mode='circular'), (2, 4, 5, 6)),
        (nn.Conv3d(4, 8, 1).double(), (2, 4, 5, 6, 7)),
        (nn.Conv3d(4, 8, 1), (1, 4, 2, 2, 2)),
    ):
        x = torch.randn(shape, dtype=conv.weight.dtype)
        plain = type(conv)._conv_forward.__wrapped__(conv, x, conv.weight, conv.bias)
        assert torch.equal(conv(x), plain)
