"""Logits of a normalised volume equal those of the layers one after the other."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mmssc.models.layers import build_norm, classify_activated
from mmssc.models.layers import norm as norm_layers
from mmssc.models.layers.recompute import recompute_in_backward
from mmssc.performance.figures import count

CHANNELS, CLASSES = 12, 5
SHAPE = (2, CHANNELS, 30, 36, 31)


def layers(cfg):
    torch.manual_seed(1)
    norm, classifier = build_norm(cfg, CHANNELS, 3), nn.Conv3d(CHANNELS, CLASSES, 1)
    nn.init.uniform_(norm.weight, 0.5, 1.5)
    nn.init.normal_(norm.bias)
    return nn.ModuleList([norm, classifier])


def step(function, modules, volume, top):
    """Logits, gradients and running statistics."""
    volume = volume.clone(memory_format=torch.preserve_format).requires_grad_()
    logits = function(*modules, volume)
    logits.backward(top)
    gradients = [one.grad for one in modules.parameters()]
    return [logits.detach(), volume.grad, *gradients, *modules.buffers()]


def one_after_the_other(norm, classifier, volume):
    return classifier(F.relu(norm(volume)))


def errors(found, exact):
    """Relative to the largest value of each."""
    return [
        float((one.double() - true.double()).abs().max() / true.abs().max().clamp_min(1e-9))
        for one, true in zip(found, exact)
    ]


@pytest.mark.parametrize('cfg', [dict(type='BN'), dict(type='DistributedBN'), dict(type='SyncBN')])
@pytest.mark.parametrize('mean', [0, 20])
def test_results_are_those_of_the_layers_in_float64(cfg, mean):
    torch.manual_seed(0)
    volume = (torch.randn(SHAPE) + mean).contiguous(memory_format=torch.channels_last_3d)
    top = torch.randn(2, CLASSES, *SHAPE[2:])
    found = step(classify_activated, layers(cfg), volume, top)
    exact = step(
        one_after_the_other, layers(dict(type='BN')).double(),
        volume.double().contiguous(), top.double(),
    )  # fmt: skip
    assert len(found) == 9
    # Rounding of one voxel at the border of the ReLU changes its gradient as a whole.
    wrong = (found[1].double() - exact[1]).abs() > 1e-4 * exact[1].abs().max()
    assert wrong.sum() <= 8
    assert max(error for number, error in enumerate(errors(found, exact)) if number != 1) < 1e-4
    assert found[0].is_contiguous(memory_format=torch.channels_last_3d)


@pytest.mark.parametrize(
    'change',
    ['eval', 'frozen', 'float64', 'plain memory order', 'group normalisation', 'few voxels'],
)
def test_other_cases_take_the_layers_themselves(change, monkeypatch):
    monkeypatch.setattr(norm_layers, 'classify_normalized', lambda *_: pytest.fail('in blocks'))
    torch.manual_seed(0)
    modules = layers(dict(type='GN', num_groups=3) if 'group' in change else dict(type='BN'))
    volume = torch.randn(SHAPE).contiguous(memory_format=torch.channels_last_3d)
    if change in ('eval', 'frozen'):
        modules.eval()
    if change == 'frozen':
        modules[0].requires_grad_(False)
    if change == 'float64':
        volume, modules = volume.double(), modules.double()
    if change == 'plain memory order':
        volume = volume.contiguous()
    if change == 'few voxels':
        volume = volume[:, :, :4, :4, :4]
    with torch.no_grad():
        found = classify_activated(*modules, volume)
        assert torch.equal(found, one_after_the_other(*modules, volume))


def test_no_other_volume_is_stored():
    volume = torch.randn(SHAPE).contiguous(memory_format=torch.channels_last_3d).requires_grad_()
    size = volume.numel() * 4

    def peak(function):
        modules = layers(dict(type='BN'))
        return count(lambda: function(*modules, volume).sum().backward()).peak_bytes / size

    # The gradient; the logits, their gradient and a copy of it.
    assert peak(classify_activated) < 1.1 + 3 * CLASSES / CHANNELS
    assert peak(one_after_the_other) > 2.9


def test_recomputation_updates_the_statistics_once():
    volume = torch.randn(SHAPE).contiguous(memory_format=torch.channels_last_3d).requires_grad_()
    found = []
    for repeated in (False, True):
        modules = layers(dict(type='BN'))
        if repeated:
            logits = recompute_in_backward(modules, *modules, volume, function=classify_activated)
        else:
            logits = classify_activated(*modules, volume)
        logits.sum().backward()
        found.append(list(modules.buffers()))
    assert all(torch.equal(*pair) for pair in zip(*found))
