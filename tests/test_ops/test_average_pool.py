import pytest
import torch
from torch.nn import functional as F

from mmssc.ops.average_pool import AveragePool3d, fill_zeros, neighbourhood_mean


@pytest.mark.parametrize('layout', [torch.contiguous_format, torch.channels_last_3d])
@pytest.mark.parametrize('stride', [(2, 2, 2), (3, 3, 3), (1, 2, 1), (2, 1, 1), (4, 4, 4)])
def test_average_pool_equals_pytorch_also_where_the_stride_does_not_divide(layout, stride):
    x = torch.randn(2, 3, 12, 6, 8).contiguous(memory_format=layout).requires_grad_()
    expected = F.avg_pool3d(x, stride, stride, ceil_mode=True)
    found = AveragePool3d(stride, stride, ceil_mode=True)(x)
    torch.testing.assert_close(found, expected)
    weight = torch.randn_like(expected)
    grads = [torch.autograd.grad(y, x, weight)[0] for y in (found, expected)]
    torch.testing.assert_close(*grads)
    if not any(side % step for side, step in zip(x.shape[2:], stride)):
        assert grads[0].is_contiguous(memory_format=layout)


@pytest.mark.parametrize('layout', [torch.contiguous_format, torch.channels_last_3d])
@pytest.mark.parametrize('shape', [(2, 3, 4, 5, 6), (1, 2, 1, 3, 2)])
def test_neighbourhood_mean_equals_pytorch(layout, shape):
    x = torch.randn(shape, dtype=torch.float64).contiguous(memory_format=layout).requires_grad_()
    torch.testing.assert_close(neighbourhood_mean(x), F.avg_pool3d(F.pad(x, [1] * 6), 3, 1))
    assert torch.autograd.gradcheck(neighbourhood_mean, x)


@pytest.mark.parametrize('layout', [torch.contiguous_format, torch.channels_last_3d])
@pytest.mark.parametrize('shape', [(2, 3, 4, 5, 6), (1, 2, 1, 3, 2), (1, 2, 2, 1, 3)])
def test_zeros_are_filled_with_the_mean_of_their_neighbours(layout, shape):
    x = torch.randn(shape, dtype=torch.float64).contiguous(memory_format=layout)
    x = (x * (torch.rand(shape) < 0.4)).requires_grad_()
    mean = F.avg_pool3d(F.pad(x, [1] * 6), 3, 1)
    expected, found = torch.where(x == 0, mean, x), fill_zeros(x)
    # Of an element that is 0 the gradient is that of the sum: the test for 0 has none.
    total = x + torch.where(x == 0, mean, 0.0)
    torch.testing.assert_close(found, expected)
    weight = torch.randn_like(found)
    grads = [torch.autograd.grad(y, x, weight)[0] for y in (found, total)]
    torch.testing.assert_close(*grads)
    assert found.is_contiguous(memory_format=layout)
