"""Inputs of VoxDet's parity cases: a scan and labels from a seed."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mmssc.parity import reference_fill as fill
from mmssc.structures import SSCDataSample, VoxelGrid

__all__ = ['NUM_CLASSES', 'case_grid', 'make_inputs', 'make_sample', 'make_scan']

NUM_CLASSES = 20
_CELL, _VOXEL = 0.4, 0.2


def case_grid(shape: tuple[int, ...]) -> VoxelGrid:
    """The grid of a case from the shape of its logits: in front of the scanner, 2 m deep."""
    return VoxelGrid((0.0, -_VOXEL * shape[1] / 2, -2.0), _VOXEL, shape)


def make_scan(seed: int, count: int, grid: VoxelGrid) -> np.ndarray:
    """A scan of ``count`` points, (count, 4) float32: x, y, z in metres and reflectance.

    Three quarters of the points share their cell with others; no point is near the border of a
    cell, some are outside the grid.
    """
    clusters = count // 12
    cells = []
    for axis, side in enumerate(grid.coarsen(2).shape):
        shared = fill.integers(f'pts_c{axis}', (clusters,), seed, 0, side).repeat(9)
        single = fill.integers(f'pts_s{axis}', (count - 9 * clusters,), seed, -2, side + 2)
        cells.append(np.concatenate([shared, single]))
    places = np.stack(cells, 1) + 0.05 + 0.9 * fill.uniform('pts_f', (count, 3), seed)
    points = np.array(grid.origin) + _CELL * places
    return np.concatenate([points, fill.uniform('pts_i', (count, 1), seed)], 1).astype(np.float32)


def _make_labels(seed: int, grid: VoxelGrid) -> np.ndarray:
    """Labels (X, Y, Z) uint8: blocks, some noise, and two cars of different length."""
    coarse = tuple(-(-side // 4) for side in grid.shape)
    chance = fill.uniform('target_u', coarse, seed)
    classes = fill.integers('target_t', coarse, seed, 1, NUM_CLASSES)
    blocks = np.where(chance < 0.6, 0, np.where(chance >= 0.9, 255, classes))
    x, y, z = grid.shape
    labels = blocks.repeat(4, 0).repeat(4, 1).repeat(4, 2)[:x, :y, :z]
    noise = fill.integers('target_w', grid.shape, seed, 0, NUM_CLASSES)
    labels = np.where(fill.uniform('target_v', grid.shape, seed) < 0.05, noise, labels)
    labels[: min(x, 40), 5, 3] = 1
    labels[2 : min(x - 1, 31), 9, 2] = 1
    return labels.astype(np.uint8)


def make_sample(seed: int, grid: VoxelGrid) -> SSCDataSample:
    """A data sample with labels (X, Y, Z) uint8."""
    sample = SSCDataSample(metainfo=dict(voxel_grid=grid))
    sample.set_data(dict(gt_voxels=torch.from_numpy(_make_labels(seed, grid))))
    return sample


def make_inputs(scan: np.ndarray, device: str) -> dict[str, list[Tensor]]:
    """Inputs of the model for one scan (N, 4)."""
    cloud = torch.from_numpy(scan).to(device)
    return dict(points=[cloud[:, :3]], reflectance=[cloud[:, 3]])
