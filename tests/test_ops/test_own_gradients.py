"""Memory order of gradients."""

import torch
import torch.nn.functional as F

from mmssc.ops import channels_last_on_cpu, dense_gradient


def test_the_gradient_of_a_part_gets_the_order_of_its_tensor():
    orders, grads = [], []
    for function in (dense_gradient, lambda x: x):
        torch.manual_seed(0)
        x = channels_last_on_cpu(torch.randn(2, 5, 4, 6)).requires_grad_()
        part = F.interpolate(x, size=(8, 12), mode='bilinear', align_corners=True)
        part.register_hook(
            lambda grad: orders.append(grad.is_contiguous(memory_format=torch.channels_last))
        )
        joined = torch.cat([function(part), torch.randn(2, 3, 8, 12)], 1)
        joined.backward(channels_last_on_cpu(torch.randn(2, 8, 8, 12)))
        grads.append(x.grad)
    assert orders == [True, False]
    torch.testing.assert_close(*grads)


def test_without_a_gradient_nothing_is_done():
    x = torch.randn(2, 5, 4, 6)
    assert dense_gradient(x) is x
