"""A random sample of any size: for benchmarks and tests that need no data set."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from mmssc.geometry.frustum import frustum_index
from mmssc.geometry.label_pooling import pool_labels
from mmssc.structures import SSCDataSample, VoxelGrid

from .random_labels import random_labels

__all__ = ['random_driving_sample']


def random_driving_sample(
    voxel_grid: VoxelGrid,
    num_classes: int,
    image_size: tuple[int, int],
    num_frames: int = 1,
    points_per_frame: int = 30000,
    seed: int = 0,
) -> dict[str, Any]:
    """What ``dataset[i]`` of an outdoor camera data set returns, with random contents.

    A forward-looking camera stands at the grid's frame (x forward, z up); labels are blocks of
    4x4x4 voxels, a quarter of them occupied and a tenth ignored; points are uniform in the grid.

    Args:
        voxel_grid: Grid of the labels, axes x, y, z.
        num_classes: Classes with the empty one.
        image_size: (height, width) in pixels.
        num_frames: Frames of the sample, all with the same pose.
        points_per_frame: Points per frame.
        seed: Everything is a function of it and of the other arguments.

    Returns:
        ``inputs`` with ``img`` (N, 3, H, W) uint8, ``depth`` (N, H, W) float32 metres, ``points``
        (M, 3) float32 metres and ``reflectance`` (M,) float32;
        ``data_samples`` with ``gt_voxels``, ``gt_voxels_1_2`` (``1_4``, ``1_8``) where
        the sides allow, ``frustum_index`` and the metainfo.
    """
    random = np.random.default_rng(seed)
    shape, (height, width) = voxel_grid.shape, image_size
    labels = random_labels(shape, num_classes, random)
    cam2img = np.array([[0.6 * width, 0, width / 2], [0, 0.6 * width, height / 2], [0, 0, 1.0]])
    lidar2cam = np.array([[0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1.0]])
    sample = SSCDataSample(
        metainfo=dict(
            voxel_grid=voxel_grid,
            sequence='00',
            frame_id=f'{seed:06d}',
            sample_idx=seed,
            img_shape=image_size,
            cam2img=cam2img,
            lidar2cam=np.stack([lidar2cam] * num_frames),
        )
    )
    sample.gt_voxels = labels
    for factor in (2, 4, 8):
        if not any(side % factor for side in shape):
            labels_coarse = pool_labels(sample.gt_voxels, factor, num_classes)
            sample.set_data({f'gt_voxels_1_{factor}': labels_coarse})
    sample.frustum_index = frustum_index(
        voxel_grid, torch.from_numpy(lidar2cam), torch.from_numpy(cam2img), image_size
    )
    points = random.uniform(voxel_grid.origin, voxel_grid.upper, (points_per_frame * num_frames, 3))
    images = random.integers(0, 256, (num_frames, 3, height, width), dtype=np.uint8)
    depth = random.uniform(1, 50, (num_frames, height, width)).astype(np.float32)
    reflectance = random.random(len(points), np.float32)
    inputs = dict(
        img=torch.from_numpy(images),
        depth=torch.from_numpy(depth),
        points=torch.from_numpy(points.astype(np.float32)),
        reflectance=torch.from_numpy(reflectance),
    )
    return dict(inputs=inputs, data_samples=sample)
