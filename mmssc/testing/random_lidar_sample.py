"""A random scan with targets: for benchmarks and tests that need no data set."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from mmssc.geometry import pool_labels_class_first, scan_to_occupancy
from mmssc.structures import SSCDataSample, VoxelGrid

from .random_labels import random_labels

__all__ = ['random_lidar_sample']


def random_lidar_sample(
    voxel_grid: VoxelGrid, num_classes: int, num_points: int = 30000, seed: int = 0
) -> dict[str, Any]:
    """What ``dataset[i]`` of a lidar data set returns, with random contents.

    Args:
        voxel_grid: Grid of scan and labels.
        num_classes: Classes with the empty one.
        num_points: Points, uniform in the grid.
        seed: Everything is a function of it and of the other arguments.

    Returns:
        ``inputs`` with ``occupancy`` (X, Y, Z) bool, the voxels of the points; ``data_samples``
        with ``gt_voxels``, ``gt_voxels_1_2`` (``1_4``, ``1_8``) where the sides allow, pooled by
        the rule of LMSCNet, and the metainfo.
    """
    random = np.random.default_rng(seed)
    sample = SSCDataSample(
        metainfo=dict(voxel_grid=voxel_grid, sequence='00', frame_id=f'{seed:06d}', sample_idx=seed)
    )
    sample.gt_voxels = random_labels(voxel_grid.shape, num_classes, random)
    for factor in (2, 4, 8):
        if not any(side % factor for side in voxel_grid.shape):
            pooled = pool_labels_class_first(sample.gt_voxels, factor, num_classes)
            sample.set_data({f'gt_voxels_1_{factor}': pooled})
    low, high = (
        np.array(corner)[[voxel_grid.axes.index(axis) for axis in 'xyz']]
        for corner in (voxel_grid.origin, voxel_grid.upper)
    )
    points = random.uniform(low, high, (num_points, 3))
    occupancy = scan_to_occupancy(torch.from_numpy(points), voxel_grid)
    return dict(inputs=dict(occupancy=occupancy), data_samples=sample)
