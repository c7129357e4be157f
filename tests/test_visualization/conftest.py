"""A small scene that the visualisation tests share."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmssc.structures import SSCDataSample, VoxelGrid

CLASSES = ('empty', 'car', 'road', 'pole')
PALETTE = np.array([(0, 0, 0), (100, 150, 245), (255, 0, 255), (255, 240, 150)], dtype=np.uint8)


@pytest.fixture
def grid() -> VoxelGrid:
    return VoxelGrid((0.0, -4.0, -1.0), 0.5, (16, 16, 6))


@pytest.fixture
def labels(grid) -> np.ndarray:
    """A road with a car and a pole on it, and a region without labels."""
    volume = np.zeros(grid.shape, dtype=np.uint8)
    volume[:, :, 0] = 2
    volume[8:12, 6:9, 1:3] = 1
    volume[4, 12, 1:5] = 3
    volume[:3, :3] = 255
    return volume


@pytest.fixture
def meta() -> dict:
    return dict(classes=CLASSES, palette=[tuple(color) for color in PALETTE.tolist()])


@pytest.fixture
def sample(grid, labels, kitti_lidar2cam) -> SSCDataSample:
    """Prediction (all cars where there is no label) and labels, with a camera."""
    made = SSCDataSample(
        metainfo=dict(
            sequence='08',
            frame_id='000005',
            voxel_grid=grid,
            cam2img=np.array([[60.0, 0, 60], [0, 60, 18], [0, 0, 1]]),
            lidar2cam=kitti_lidar2cam[None],
            img_shape=(37, 122),
        )
    )
    made.gt_voxels = torch.from_numpy(labels)
    made.pred_voxels = torch.from_numpy(np.where(labels == 255, 1, labels).astype(np.uint8))
    return made


@pytest.fixture
def room() -> tuple[SSCDataSample, dict]:
    """A room of world axes x, z (up), y with floor, ceiling and a box, seen along +y."""
    grid = VoxelGrid((-1.0, 0.0, 1.0), 0.25, (8, 6, 10), ('x', 'z', 'y'), 'world')
    labels = np.zeros(grid.shape, dtype=np.uint8)
    labels[:, 0], labels[:, 5] = 2, 1
    labels[1:3, 1:3, 6:9] = 3
    world2cam = np.eye(4)
    world2cam[:3, :3], world2cam[:3, 3] = [(1, 0, 0), (0, 0, -1), (0, 1, 0)], (0, 1.2, 0)
    made = SSCDataSample(
        metainfo=dict(
            sequence='train', frame_id='0001', voxel_grid=grid, lidar2cam=world2cam[None],
            cam2img=np.array([[60.0, 0, 60], [0, 60, 40], [0, 0, 1]]), img_shape=(80, 120),
        )
    )  # fmt: skip
    made.gt_voxels = torch.from_numpy(labels)
    return made, dict(
        classes=('empty', 'ceiling', 'floor', 'bed'), roof_classes=('ceiling',),
        palette=[(0, 0, 0), (214, 38, 40), (43, 160, 4), (255, 186, 119)],
    )  # fmt: skip
