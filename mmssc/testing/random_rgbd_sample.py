"""A random indoor sample of any size: for benchmarks and tests that need no data set."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from mmssc.geometry.depth_mapping import invert_mapping
from mmssc.geometry.frustum import frustum_index
from mmssc.geometry.sketch import label_sketch
from mmssc.structures import SSCDataSample, VoxelGrid

from .random_labels import random_labels

__all__ = ['random_rgbd_sample']


def random_rgbd_sample(
    voxel_grid: VoxelGrid,
    num_classes: int,
    image_size: tuple[int, int],
    mapped: float = 0.06,
    num_segments: int = 14,
    seed: int = 0,
) -> dict[str, Any]:
    """What ``dataset[i]`` of an indoor RGB-D data set returns, with random contents.

    Labels are blocks of 4x4x4 voxels, a quarter of them occupied and a tenth ignored.

    Args:
        voxel_grid: Grid of the labels.
        num_classes: Classes with the empty one.
        image_size: (height, width) in pixels.
        mapped: Share of the voxels that a pixel hits.
        num_segments: Ids of the 2D segmentation.
        seed: Everything is a function of it and of the other arguments.

    Returns:
        ``inputs``: ``img`` (1, 3, H, W) uint8, ``depth`` (1, H, W) float32 metres, ``tsdf`` and
        ``tsdf_clean`` (1, X, Y, Z) float32 in [-1, 1], ``voxel_to_pixel`` (X, Y, Z) and
        ``pixel_to_voxel`` (H, W) int64, -1 = none,
        ``segmentation`` (H, W) uint8, ``surface_offset`` (1, X, Y, Z) float32, ``voxel_segments``
        (X, Y, Z) int64 in 0..num_segments; ``data_samples`` with ``gt_voxels``, ``label_weight``,
        ``gt_sketch``, ``frustum_index``, ``eval_masks`` of the NYU protocols, and the metainfo with
        a camera that stands in front of the grid.
    """
    random = np.random.default_rng(seed)
    shape, (height, width) = voxel_grid.shape, image_size
    labels = random_labels(shape, num_classes, random)
    count = int(mapped * voxel_grid.num_voxels)
    voxel_to_pixel = np.full(voxel_grid.num_voxels, -1)
    hit = random.choice(voxel_grid.num_voxels, count, replace=False)
    voxel_to_pixel[hit] = random.integers(0, height * width, count)
    mapping = torch.from_numpy(voxel_to_pixel).view(shape)
    sample = SSCDataSample(
        metainfo=dict(
            voxel_grid=voxel_grid,
            sequence='random',
            frame_id=f'{seed:04d}',
            sample_idx=seed,
            img_shape=image_size,
        )
    )
    sample.gt_voxels = labels
    sample.label_weight = torch.from_numpy(random.random(shape) < 0.6)
    sample.gt_sketch = label_sketch(sample.gt_voxels)
    sample.eval_masks = dict(
        nyu_ssc=sample.label_weight, nyu_sc=sample.label_weight & (mapping < 0)
    )
    image = random.integers(0, 256, (1, 3, height, width), dtype=np.uint8)
    segments = random.integers(0, num_segments, (height, width), dtype=np.uint8)
    tsdf, clean = random.uniform(-1, 1, (2, 1, *shape)).astype(np.float32)
    offset = random.uniform(-2.4, 2.4, (1, *shape)).astype(np.float32)
    voxel_segments = random.integers(0, num_segments + 1, shape)
    depth = random.uniform(0.5, 5, (1, height, width)).astype(np.float32)
    cam2img = np.array([[width, 0, width / 2], [0, width, height / 2], [0, 0, 1.0]])
    # In front of the lower corner, looking along y of the world.
    world2cam = np.array([[1.0, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
    world2cam[:3, 3] = -world2cam[:3, :3] @ _before(voxel_grid)
    sample.set_metainfo(dict(cam2img=cam2img, lidar2cam=world2cam[None]))
    sample.frustum_index = frustum_index(
        voxel_grid, torch.from_numpy(world2cam), torch.from_numpy(cam2img), image_size
    )
    inputs = dict(
        img=torch.from_numpy(image),
        depth=torch.from_numpy(depth),
        tsdf=torch.from_numpy(tsdf),
        tsdf_clean=torch.from_numpy(clean),
        voxel_to_pixel=mapping,
        pixel_to_voxel=invert_mapping(mapping, image_size),
        segmentation=torch.from_numpy(segments),
        surface_offset=torch.from_numpy(offset),
        voxel_segments=torch.from_numpy(voxel_segments),
    )
    return dict(inputs=inputs, data_samples=sample)


def _before(grid: VoxelGrid) -> np.ndarray:
    """World x, y, z half a grid before the middle of its front."""
    middle = [(low + high) / 2 for low, high in zip(grid.origin, grid.upper)]
    x, y, z = (grid.axes.index(axis) for axis in 'xyz')
    depth = grid.upper[y] - grid.origin[y]
    return np.array([middle[x], grid.origin[y] - depth / 2, middle[z]])
