"""A small grid, camera and SGN."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from mmengine.config import Config
from mmengine.registry import init_default_scope

ROOT = Path(__file__).resolve().parents[2]
GRID = dict(origin=[0.0, -3.2, -1.0], voxel_size=[0.4] * 3, shape=[16, 16, 8])
OFFSETS = (-2, -1)
SIZE = (64, 96)  # as cropped
BASELINE = 0.18
DISPARITY = 6  # pixels: 1.8 m
P2 = np.array([[60.0, 0, 48, 3], [0, 60, 32, 0.1], [0, 0, 1, 0.01]])
CAM2IMG = P2[:, :3]
# The camera looks along x of the lidar, 0.1 rad to the left.
LIDAR2CAM = np.array(
    [
        [np.sin(0.1), -np.cos(0.1), 0, 0.1],
        [0, 0, -1, -0.1],
        [np.cos(0.1), np.sin(0.1), 0, -0.3],
        [0, 0, 0, 1],
    ]
)


def make_config() -> Config:
    """SGN-L with 16 channels on a small grid, three frames, points from depth maps."""
    cfg = Config.fromfile(ROOT / 'configs/sgn/sgn-L.py')
    init_default_scope('mmssc')
    cfg.model.voxel_grid = GRID
    cfg.model.neck.out_channels = cfg.model.head.embed_dims = 16
    cfg.model.test_cfg = dict(keep_logits=True)
    dataset = cfg.test_dataloader.dataset
    dataset.frame_offsets = OFFSETS
    dataset.pipeline = [
        dict(type='LoadDrivingImages'),
        dict(type='CropDrivingImages', size=SIZE),
        dict(type='LoadDrivingPoints', source='depth', crop_to_grid=True),
        dict(type='LoadDrivingLabels', scales=('1_1',), optional=True),
        dict(type='PackSSCInputs'),
    ]
    return cfg


def write_video(path, images):
    """Write a video without losses."""
    code = cv2.VideoWriter_fourcc(*'FFV1')
    video = cv2.VideoWriter(str(path), code, 10, (100, 70))
    for image in images:
        video.write(image[..., ::-1].copy())
    video.release()
