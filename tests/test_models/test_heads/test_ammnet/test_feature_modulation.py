"""Modulation of one volume by another."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from mmssc.models.heads.ammnet.feature_modulation import FeatureModulation


def test_formula() -> None:
    layer = FeatureModulation(6)
    x, guide = torch.randn(2, 6, 4, 3, 5), torch.randn(2, 6, 4, 3, 5)
    rows = guide.movedim(1, -1)
    scale = functional.linear(rows, layer.scale.weight[:, :, 0, 0, 0], layer.scale.bias)
    shift = functional.linear(rows, layer.shift.weight[:, :, 0, 0, 0], layer.shift.bias)
    expected = x * (1 + scale.sigmoid()).movedim(-1, 1) + shift.movedim(-1, 1)
    torch.testing.assert_close(layer(x, guide), expected)


@pytest.mark.parametrize('block', [16, 10**6])
def test_gradients_equal_those_of_the_formula(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('mmssc.ops.modulation._BLOCK', block)
    layer = FeatureModulation(6)
    results = []
    for function in (layer, layer.by_formula):
        torch.manual_seed(0)
        x, guide = (torch.randn(2, 6, 4, 3, 5, requires_grad=True) for _ in range(2))
        inputs = (x, guide, *layer.parameters())
        results.append(torch.autograd.grad(function(x, guide).sin().sum(), inputs))
    for found, expected in zip(*results):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_only_the_inputs_are_stored_and_volumes_keep_their_order() -> None:
    layer, layout = FeatureModulation(6), torch.channels_last_3d
    x, guide = (
        torch.randn(1, 6, 4, 3, 5).contiguous(memory_format=layout).requires_grad_()
        for _ in range(2)
    )
    stored = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda one: stored.append(one) or one, lambda one: one
    ):
        output = layer(x, guide)
    addresses = {one.data_ptr() for one in stored if one.numel() == x.numel()}
    assert addresses == {x.data_ptr(), guide.data_ptr()}
    grads = torch.autograd.grad(output, (x, guide), torch.ones_like(output))
    assert all(one.is_contiguous(memory_format=layout) for one in (output, *grads))


def test_mixed_precision_stays_close() -> None:
    torch.manual_seed(0)
    layer, x, guide = FeatureModulation(6), torch.randn(2, 6, 4, 3, 5), torch.randn(2, 6, 4, 3, 5)
    with torch.autocast('cpu', torch.bfloat16):
        output = layer(x, guide)
    assert output.dtype == torch.bfloat16
    torch.testing.assert_close(output.float(), layer(x, guide), rtol=0.05, atol=0.05)
    output.sum().backward()
    assert all(one.grad.dtype == torch.float32 for one in layer.parameters())


def test_exported_networks_have_the_formula() -> None:
    volumes = torch.randn(1, 6, 4, 3, 5), torch.randn(1, 6, 4, 3, 5)
    traced = torch.jit.trace(FeatureModulation(6), volumes).inlined_graph
    assert 'aten::addcmul_' in str(traced)
