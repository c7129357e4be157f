"""A small LMSCNet, SSCNet or light completor, its samples, and a small CarlaSC."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope

from mmssc.formats.carla_sc import write_raw_ids, write_ray_counts
from mmssc.formats.kitti import write_velodyne
from mmssc.geometry import pool_labels_class_first
from mmssc.models.completors import LidarCompletor
from mmssc.registry import MODELS
from mmssc.structures import SSCDataSample, VoxelGrid
from mmssc.testing.random_labels import random_labels

GRID = VoxelGrid((0.0, -6.4, -2.0), 0.4, (16, 32, 8))
NUM_CLASSES = 5


def build_tiny_lidar(kind: str = 'lmscnet', **options: Any) -> LidarCompletor:
    """``'lmscnet'``, ``'lmscnet-ss'``, ``'sscnet-full'``, ``'sscnet'`` or ``'light'``."""
    init_default_scope('mmssc')
    torch.manual_seed(0)
    if kind.startswith('lmscnet'):
        backbone = dict(type='PlaneUNet')
        scales = (1,) if kind == 'lmscnet-ss' else (1, 2, 4, 8)
        head = dict(type='LMSCNetHead', scales=scales)
        loss = dict(type='VoxelCrossEntropyLoss', reduction='batch')
    elif kind == 'light':
        backbone = dict(
            type='LightPlaneUNet',
            channels=(8, 12, 16),
            blocks=(1, 1, 2),
            volume_channels=4,
            dilations=(1, 2),
        )
        head = dict(type='BlockHead')
        loss = dict(type='VoxelCrossEntropyLoss', reduction='batch')
    else:
        backbone = dict(type='SSCNetTrunk')
        head = dict(type='SSCNetHead', up_sampling='nearest' if kind == 'sscnet' else 'learned')
        loss = dict(type='BalancedCrossEntropyLoss', normalizer='count')
    config = dict(
        type='LidarCompletor',
        voxel_grid=GRID,
        backbone=backbone,
        head=dict(head, num_classes=NUM_CLASSES, losses=dict(ce=loss)),
        data_preprocessor=dict(type='SSCDataPreprocessor'),
    )
    return MODELS.build({**config, **options})


def make_sample(seed: int) -> dict[str, Any]:
    """An item of a data set."""
    random = np.random.default_rng(seed)
    labels = random_labels(GRID.shape, NUM_CLASSES, random)
    sample = SSCDataSample(
        metainfo=dict(voxel_grid=GRID, sequence='00', frame_id=f'{seed:06d}', sample_idx=seed)
    )
    sample.gt_voxels = labels
    for factor in (2, 4, 8):
        pooled = pool_labels_class_first(labels, factor, NUM_CLASSES)
        sample.set_data({f'gt_voxels_1_{factor}': pooled})
    occupancy = torch.from_numpy(random.random(GRID.shape) < 0.1)
    return dict(inputs=dict(occupancy=occupancy), data_samples=sample)


def collate(model: LidarCompletor, *samples: dict[str, Any]) -> dict[str, Any]:
    """A batch as the model takes it."""
    return model.data_preprocessor(pseudo_collate(list(samples)))


def write_carla_scene(
    root: Path, split: str = 'Train', scene: str = 'Town01_Light', frames: int = 2, labels: int = 2
) -> Path:
    """Write frames of CarlaSC, the first ``labels`` of them with labels; returns the scene."""
    folder = root / 'Cartesian' / split / scene / 'cartesian'
    for name in ('velodyne', 'evaluation'):
        (folder / name).mkdir(parents=True)
    for number in range(frames):
        random = np.random.default_rng(number)
        points = random.uniform((-25, -25, -1.9), (25, 25, 0.9), (2000, 3)).astype(np.float32)
        points = np.concatenate([points, np.zeros((2000, 1), np.float32)], 1)
        write_velodyne(folder / 'velodyne' / f'{number:06d}.bin', points)
        if number < labels:
            stem = folder / 'evaluation' / f'{number:06d}'
            ids = random.integers(0, 23, (128, 128, 8))
            write_raw_ids(stem.with_suffix('.label'), np.where(ids > 15, ids, 0))
            write_ray_counts(stem.with_suffix('.bin'), random.integers(0, 3, (128, 128, 8)))
    params = dict(
        grid_size=[128, 128, 8], min_bound=[-25.6, -25.6, -2.0], max_bound=[25.6, 25.6, 1.0],
        num_channels=25, coordinates='cartesian',
    )  # fmt: skip
    (folder / 'evaluation/params.json').write_text(json.dumps(params))
    return folder
