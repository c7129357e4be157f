"""The base configs of the RGB-D methods are the authors' networks."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmssc.checkpoints import get_method
from mmssc.parity.reference_fill import read_manifest
from mmssc.parity.rgbd.cleaners import cleaners_losses
from mmssc.parity.sketch.recipe import sketch_losses
from mmssc.registry import MODELS
from mmssc.structures import VoxelGrid
from mmssc.testing.random_rgbd_sample import random_rgbd_sample

ROOT = Path(__file__).parents[3]
# Parameters that learn in the official code, less those whose output nothing reads.
LEARNING = dict(cleaners=14_846_511 - 375_552, sketch=28_118_774 - 95_616 - 23_631_808)


def base_config(method: str) -> Config:
    init_default_scope('mmssc')
    return Config.fromfile(ROOT / f'configs/_base_/models/{method}.py').model


@pytest.mark.parametrize('method', LEARNING)
def test_network_is_the_authors_and_learns_all_but_the_encoder(method: str) -> None:
    cfg = base_config(method)
    cfg.voxel_grid.shape = (16, 8, 16)
    torch.manual_seed(0)
    model = MODELS.build(cfg).train()
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == LEARNING[method]
    made = [random_rgbd_sample(model.voxel_grid, 12, (96, 128), seed=seed) for seed in (0, 1)]
    batch = model.data_preprocessor(
        dict(
            inputs={key: [one['inputs'][key] for one in made] for key in made[0]['inputs']},
            data_samples=[one['data_samples'] for one in made],
        )
    )
    model.parse_losses(model(**batch, mode='loss'))[0].backward()
    for name, parameter in model.named_parameters():
        learns = parameter.grad is not None and bool(parameter.grad.any())
        assert learns == parameter.requires_grad == (not name.startswith('backbone.')), name


@pytest.mark.parametrize('method', LEARNING)
def test_network_is_that_of_the_checkpoint(method: str) -> None:
    manifest = read_manifest(ROOT / f'tests/data/parity/{method}/manifest.csv')
    imported = MODELS.build(get_method(method).model_config(manifest))
    built = MODELS.build(base_config(method))
    assert str(imported.voxel_grid) == str(VoxelGrid.build(built.voxel_grid))
    found, expected = (
        {name: value.shape for name, value in model.state_dict().items()}
        for model in (built, imported)
    )
    assert found == expected


def test_losses_are_the_authors() -> None:
    cfg, expected = base_config('cleaners'), cleaners_losses()
    assert all(cfg[name] == expected[name] for name in ('loss_2d', 'loss_3d'))
    cfg, expected = base_config('sketch'), sketch_losses()
    assert cfg.loss_3d == expected['loss_3d'] and cfg.loss_scale == 0.5
    head = expected['sketch_head']
    assert {name: cfg.sketch_head[name] for name in head} == head
