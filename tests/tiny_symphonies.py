"""A small Symphonies and random samples for it."""

from __future__ import annotations

from pathlib import Path

import torch
from mmengine.config import Config
from torch import nn

from mmssc.registry import MODELS
from mmssc.structures import VoxelGrid
from mmssc.testing.random_driving_sample import random_driving_sample

BASE = Path(__file__).parents[1] / 'configs' / '_base_' / 'models' / 'symphonies.py'
GRID = VoxelGrid(origin=(0.0, -12.8, -2.0), voxel_size=(1.6, 1.6, 0.8), shape=(16, 16, 8))
NUM_CLASSES = 20
IMAGE_SIZE = (48, 64)


def tiny_config(**changes) -> Config:
    """The base config on a ResNet-18, 16 channels and a 16 x 16 x 8 grid."""
    model = Config.fromfile(BASE).model
    model.voxel_grid = GRID.to_dict()
    model.downsample_z = 1
    model.backbone.update(depth=18, init_cfg=None)
    model.neck.update(
        in_channels=(128, 256, 512), embed_dims=16, num_layers=1, feedforward_channels=16,
        init_cfg=None,
    )  # fmt: skip
    model.head.update(
        in_channels=(64, 16, 16), embed_dims=16, num_queries=6, norm_cfg=dict(type='BN')
    )
    model.head.decoder.update(num_layers=2, with_cp=False, chunk_size=None)
    cfg = Config(dict(model=model))
    cfg.merge_from_dict({f'model.{key}': value for key, value in changes.items()})
    return cfg.model


def build_tiny_symphonies(seed: int = 0, **changes) -> nn.Module:
    """A model whose zero-initialised matrices are not zero, so that everything matters."""
    torch.manual_seed(seed)
    model = MODELS.build(tiny_config(**changes))
    for parameter in model.parameters():
        if parameter.dim() > 1 and not parameter.any():
            nn.init.normal_(parameter, std=0.1)
    return model


def make_sample(seed: int, grid: VoxelGrid = GRID) -> dict:
    """One item of a data set."""
    return random_driving_sample(grid, NUM_CLASSES, IMAGE_SIZE, points_per_frame=10, seed=seed)


def collate(model: nn.Module, *samples: dict) -> dict:
    """The keyword arguments of ``model`` for some samples."""
    keys = samples[0]['inputs']
    data = dict(
        inputs={key: [sample['inputs'][key] for sample in samples] for key in keys},
        data_samples=[sample['data_samples'] for sample in samples],
    )
    return model.data_preprocessor(data)
