"""Deformable convolution against the ordinary one and a loop over pixels."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from mmssc.errors import DataError, MissingDependencyError
from mmssc.ops import DeformConv2d, deform_conv2d


def inputs(groups: int = 1, height: int = 5, width: int = 6, scale: float = 1.5):
    torch.manual_seed(0)
    x = torch.randn(2, 8, height, width, dtype=torch.float64)
    offset = scale * torch.randn(2, 18, height, width, dtype=torch.float64)
    weight = torch.randn(4, 8 // groups, 3, 3, dtype=torch.float64)
    return x, offset, weight


def read(image: torch.Tensor, row: float, column: float) -> torch.Tensor:
    """Bilinear value of (C, H, W), zero outside."""
    total = torch.zeros(len(image), dtype=image.dtype)
    top, left = int(row // 1), int(column // 1)
    for i in (top, top + 1):
        for j in (left, left + 1):
            if 0 <= i < image.shape[1] and 0 <= j < image.shape[2]:
                share = (1 - abs(row - i)) * (1 - abs(column - j))
                total += share * image[:, i, j]
    return total


@pytest.mark.parametrize('groups', [1, 2, 4])
def test_without_offsets_it_is_a_convolution(groups):
    x, offset, weight = inputs(groups)
    found = deform_conv2d(x, torch.zeros_like(offset), weight, padding=1, groups=groups)
    torch.testing.assert_close(found, F.conv2d(x, weight, padding=1, groups=groups))


@pytest.mark.parametrize('groups', [1, 2])
def test_every_tap_is_moved_by_its_own_offset(groups):
    x, offset, weight = inputs(groups, 3, 4)
    found = deform_conv2d(x, offset, weight, padding=1, groups=groups)
    for sample, i, j in [(0, 0, 0), (0, 2, 3), (1, 1, 2)]:
        expected = torch.zeros(4, dtype=x.dtype)
        for tap in range(9):
            down, right = offset[sample, 2 * tap : 2 * tap + 2, i, j].tolist()
            value = read(x[sample], i + tap // 3 - 1 + down, j + tap % 3 - 1 + right)
            kernel = weight[:, :, tap // 3, tap % 3]
            parts = value.view(groups, -1).repeat_interleave(4 // groups, 0)
            expected += (kernel * parts).sum(1)
        torch.testing.assert_close(found[sample, :, i, j], expected)


def test_gradients():
    x, offset, weight = (tensor.requires_grad_() for tensor in inputs(1, 3, 3))
    assert torch.autograd.gradcheck(lambda *args: deform_conv2d(*args, 1), (x, offset, weight))


def test_without_padding_the_image_shrinks():
    x, offset, weight = inputs()
    found = deform_conv2d(x, offset[:, :, :3, :4] * 0, weight)
    torch.testing.assert_close(found, F.conv2d(x, weight))


@pytest.mark.parametrize('height, width', [(1, 1), (1, 6), (2, 2)])
def test_images_smaller_than_the_kernel(height, width):
    x, offset, weight = inputs(1, height, width, scale=0.0)
    found = deform_conv2d(x, offset, weight, padding=1)
    torch.testing.assert_close(found, F.conv2d(x, weight, padding=1))


def test_autocast_computes_in_float32():
    x, offset, weight = (tensor.float() for tensor in inputs())
    expected = deform_conv2d(x, offset, weight, padding=1)
    with torch.autocast('cpu', torch.bfloat16):
        assert torch.equal(deform_conv2d(x, offset, weight, padding=1), expected)
    half = deform_conv2d(x.bfloat16(), offset, weight, padding=1)
    assert half.dtype == torch.bfloat16


def test_the_layer_has_the_initial_weights_of_a_convolution():
    torch.manual_seed(1)
    layer = DeformConv2d(8, 8, 3, padding=1)
    torch.manual_seed(1)
    assert torch.equal(layer.weight, torch.nn.Conv2d(8, 8, 3, bias=False).weight)
    assert layer.bias is None and [name for name, _ in layer.named_parameters()] == ['weight']


def test_wrong_arguments():
    x, offset, weight = inputs()
    with pytest.raises(ValueError, match=r'expected offsets \(2, 18, 3, 4\)'):
        deform_conv2d(x, offset, weight)
    with pytest.raises(DataError, match='backend: expected one of'):
        deform_conv2d(x, offset, weight, 1, backend='cuda')


def test_mmcv_without_compiled_ops_is_named():
    x, offset, weight = inputs()
    try:
        found = deform_conv2d(x, offset, weight, 1, backend='mmcv')
    except MissingDependencyError as error:
        assert 'mmcv has no compiled ops' in str(error)
    else:
        torch.testing.assert_close(found, deform_conv2d(x, offset, weight, 1, backend='torch'))
