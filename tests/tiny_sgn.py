"""A small SGN and random samples for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config

import mmssc.models  # noqa: F401
from mmssc.registry import MODELS
from mmssc.structures import SSCDataSample, VoxelGrid

BASE = Path(__file__).parents[1] / 'configs' / '_base_' / 'models' / 'sgn.py'
GRID = VoxelGrid(origin=(0.0, -25.6, -2.0), voxel_size=(1.6, 1.6, 0.8), shape=(32, 32, 8))
NUM_CLASSES = 20


def build_tiny_sgn(seed: int = 0, **head):
    """The base config on a ResNet-18, 16 channels and a 32 x 32 x 8 grid."""
    model = Config.fromfile(BASE).model
    model.voxel_grid = GRID.to_dict()
    model.backbone.update(depth=18, init_cfg=None)
    model.neck.update(in_channels=[256], out_channels=16)
    model.head.update(embed_dims=16, diffusion_depth=1, **head)
    torch.manual_seed(seed)
    return MODELS.build(model)


def make_sample(seed: int, num_frames: int = 2, num_points: int = 3000) -> dict:
    """One item of a data set: random images, points and labels, a camera that moves forward."""
    rng = np.random.default_rng(seed)
    points = rng.uniform((-2, -27, -3), (53, 27, 5), (num_points, 3)).astype(np.float32)
    lidar2cam = np.zeros((num_frames, 4, 4))
    lidar2cam[:] = [[0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1]]
    lidar2cam[:, 2, 3] = np.arange(num_frames) * 1.5
    sample = SSCDataSample(
        metainfo=dict(
            sequence='00',
            frame_id=f'{seed:06d}',
            voxel_grid=GRID,
            cam2img=np.array([[40.0, 0, 32], [0, 40, 24], [0, 0, 1]]),
            lidar2cam=lidar2cam,
        )
    )
    for field, shape in (('gt_voxels', GRID.shape), ('gt_voxels_1_2', GRID.coarsen(2).shape)):
        labels = rng.integers(0, NUM_CLASSES + 1, shape).astype(np.uint8)
        labels[labels == NUM_CLASSES] = 255
        sample.set_data({field: torch.from_numpy(labels)})
    image = rng.integers(0, 256, (num_frames, 3, 48, 64), dtype=np.uint8)
    inputs = dict(img=torch.from_numpy(image), points=torch.from_numpy(points))
    return dict(inputs=inputs, data_samples=sample)


def collate(model, *samples: dict) -> dict:
    """The keyword arguments of ``model`` for some samples."""
    data = dict(
        inputs={key: [s['inputs'][key] for s in samples] for key in samples[0]['inputs']},
        data_samples=[s['data_samples'] for s in samples],
    )
    return model.data_preprocessor(data)
