"""The base config of CleanerS is the authors' network and learns all but the encoder."""

from __future__ import annotations

from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmssc.registry import MODELS
from mmssc.structures import VoxelGrid
from mmssc.testing.parity_cleaners import cleaners_losses
from mmssc.testing.random_rgbd_sample import random_rgbd_sample

BASE = Path(__file__).parents[3] / 'configs/_base_/models/cleaners.py'


def test_base_config_is_the_authors_network() -> None:
    init_default_scope('mmssc')
    cfg = Config.fromfile(BASE).model
    expected = cleaners_losses()
    assert {name: cfg[name] for name in ('loss_2d', 'loss_3d')} == {
        name: expected[name] for name in ('loss_2d', 'loss_3d')
    }
    cfg.voxel_grid.shape = (16, 8, 16)
    torch.manual_seed(0)
    model = MODELS.build(cfg).train()
    learning = [p.numel() for p in model.parameters() if p.requires_grad]
    assert sum(learning) == 14_846_511 - 375_552
    grid = VoxelGrid.build(cfg.voxel_grid)
    made = [random_rgbd_sample(grid, 12, (96, 128), seed=seed) for seed in (0, 1)]
    inputs = {
        key: torch.stack([one['inputs'][key] for one in made])
        for key in ('img', 'tsdf', 'pixel_to_voxel')
    }
    inputs['img'] = inputs['img'] / 255
    losses = model(inputs, [one['data_samples'] for one in made], mode='loss')
    model.parse_losses(losses)[0].backward()
    for name, parameter in model.named_parameters():
        learns = parameter.grad is not None and bool(parameter.grad.any())
        assert learns == parameter.requires_grad == (not name.startswith('backbone.')), name
