from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from mmssc.ops.lean_relu import lean_relu


@pytest.mark.parametrize('layout', [torch.contiguous_format, torch.channels_last_3d])
@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_values_and_gradients_are_those_of_relu(layout, dtype):
    x = torch.randn(2, 3, 4, 5, 6, dtype=dtype)
    x[0, 0, 0, 0, :3] = torch.tensor([0.0, -0.0, torch.nan])
    x = x.contiguous(memory_format=layout)
    grad = torch.randn_like(x)
    found = []
    for relu in (lean_relu, lambda value: F.relu(value, inplace=True)):
        leaf = x.clone().requires_grad_()
        y = relu(leaf * 2)
        y.backward(grad)
        found.append((y.detach(), leaf.grad))
    for ours, theirs in zip(*found):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0, equal_nan=True)
        assert ours.stride() == theirs.stride()


def test_it_stores_one_byte_an_element():
    stored = []
    with torch.autograd.graph.saved_tensors_hooks(lambda one: stored.append(one), lambda one: one):
        lean_relu(torch.randn(10, requires_grad=True) + 1)
    assert sum(one.nbytes for one in stored) == 10


def test_without_a_gradient_nothing_is_stored():
    with torch.no_grad():
        x = torch.tensor([-1.0, 2.0])
        assert lean_relu(x) is x
    assert x.tolist() == [0, 2]
