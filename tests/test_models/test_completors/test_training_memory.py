"""What RGB-D networks store for the backward pass, and that recomputation changes no figure."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from tiny_rgbd import NUM_CLASSES, tiny_batch, tiny_network
from tiny_sketch import tiny_sketch

from mmssc.models.heads.ammnet import modulated_completion_head
from mmssc.models.layers import ddr
from mmssc.registry import MODELS

MODULATED = dict(
    type='mmssc.ModulatedCompletionHead', channels=tiny_network()['head']['channels'],
    num_classes=NUM_CLASSES,
)  # fmt: skip
NETWORKS = dict(cleaners=tiny_network(), ammnet=tiny_network(head=MODULATED), sketch=tiny_sketch())


def plain_call(module, *args, function=None):
    return (function or module)(*args)


def store_everything(patch):
    """Train as if nothing were recomputed."""
    for place in (ddr, modulated_completion_head):
        patch.setattr(place, 'recompute_in_backward', plain_call)
    patch.setattr(ddr, 'lean_relu', lambda x: F.relu(x, inplace=True))


def with_checkpoints(config):
    parts = ('head', 'tsdf_encoder', 'sketch_head')
    return {
        **config,
        **{name: dict(config[name], with_cp=True) for name in parts if name in config},
    }


def training_step(config, weights):
    """Losses, gradients and statistics of a step, and the bytes that its graph stores."""
    model = MODELS.build(config).train()
    model.load_state_dict(weights)
    stored = {}

    def pack(tensor):
        stored[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage()
        return tensor

    torch.manual_seed(0)  # augmentation, dropout and codes
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        losses = model.loss(*tiny_batch())
        model.parse_losses(losses)[0].backward()
    gradients = {name: value.grad for name, value in model.named_parameters()}
    figures = {**losses, **gradients, **dict(model.named_buffers())}
    return figures, sum(storage.nbytes() for storage in stored.values())


@pytest.mark.parametrize('name', NETWORKS)
def test_recomputation_saves_memory_and_changes_no_figure(name, monkeypatch):
    config = NETWORKS[name]
    torch.manual_seed(1)
    weights = MODELS.build(config).state_dict()
    with monkeypatch.context() as patch:
        store_everything(patch)
        expected, before = training_step(config, weights)
    found, after = training_step(config, weights)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    assert after < 0.7 * before
    found, least = training_step(with_checkpoints(config), weights)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    assert least < 0.8 * after


@pytest.mark.parametrize('name', ['cleaners', 'ammnet'])
def test_stored_blocks_change_no_figure(name):
    config = NETWORKS[name]
    torch.manual_seed(1)
    weights = MODELS.build(config).state_dict()
    expected, before = training_step(config, weights)
    stored = {part: dict(config[part], repeat_blocks=False) for part in ('head', 'tsdf_encoder')}
    found, after = training_step({**config, **stored}, weights)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    assert after > 1.1 * before
