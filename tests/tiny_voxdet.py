"""A small VoxDet-LiDAR and random samples for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from torch import nn

from mmssc.registry import MODELS
from mmssc.structures import SSCDataSample, VoxelGrid
from mmssc.testing.random_driving_sample import random_driving_sample

BASE = Path(__file__).parents[1] / 'configs' / '_base_' / 'models' / 'voxdet_lidar.py'
GRID = VoxelGrid(origin=(0.0, -12.8, -2.0), voxel_size=(1.6, 1.6, 0.8), shape=(16, 16, 8))
CHANNELS, NUM_CLASSES = 8, 20


def tiny_config(**changes: Any) -> Config:
    """The base config with 8 channels and a 16 x 16 x 8 grid."""
    model = Config.fromfile(BASE).model
    model.voxel_grid = GRID.to_dict()
    gn = dict(num_groups=2)
    backbone = dict(channels=CHANNELS, depths=(1, 1, 1), drop_path=0.0)
    cfg = Config(dict(model=model))
    parts = {
        'front_end': dict(channels=CHANNELS, backbone=backbone,
                          neck=dict(channels=CHANNELS, norm_cfg=gn)),
        'encoder': dict(**backbone, shortcut_norm_cfg=gn),
        'neck': dict(channels=CHANNELS, norm_cfg=gn),
        'head': dict(channels=CHANNELS, norm_cfg=gn, num_refinements=2),
        'aux_head': dict(channels=CHANNELS, norm_cfg=gn),
    }  # fmt: skip
    cfg.merge_from_dict(dict(model=parts))
    cfg.merge_from_dict({f'model.{key}': value for key, value in changes.items()})
    return cfg.model


def build_tiny_voxdet(seed: int = 0, **changes: Any) -> nn.Module:
    """A model with random weights."""
    torch.manual_seed(seed)
    return MODELS.build(tiny_config(**changes))


def make_batch(
    *seeds: int, points: int = 200, grid: VoxelGrid = GRID
) -> tuple[dict[str, list[torch.Tensor]], list[SSCDataSample]]:
    """Inputs and data samples."""
    samples = [random_driving_sample(grid, NUM_CLASSES, (8, 8), 1, points, seed) for seed in seeds]
    inputs = {
        key: [sample['inputs'][key] for sample in samples] for key in ('points', 'reflectance')
    }
    return inputs, [sample['data_samples'] for sample in samples]
