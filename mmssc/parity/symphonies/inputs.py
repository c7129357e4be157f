"""Inputs of Symphonies' parity cases: calibration, depth, image and labels from a seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmssc.errors import DataError
from mmssc.geometry import frustum_index
from mmssc.parity import reference_fill as fill
from mmssc.parity.frustum_units import CALIBRATIONS, make_target
from mmssc.parity.report import ParityCase
from mmssc.structures import SSCDataSample, VoxelGrid

__all__ = ['GEOMETRIES', 'SymphoniesGeometry', 'build_inputs', 'read_camera']

# Sequence -> seed of the unit cases that store its calibration.
_SEQUENCES = {'08': 1, '00': 2}
_DEPTH_STEPS = 256


@dataclass(frozen=True)
class SymphoniesGeometry:
    """Settings of a kind of case.

    Args:
        image_size: (height, width).
        focal_factor: Factor of rows 0 and 1 of the intrinsics.
        grid: Output grid.
        num_classes: Number of classes.
        volume_scale: Output voxels along an edge of a projected voxel.
        downsample_z: Number of projected voxels in the height of a working voxel.
    """

    image_size: tuple[int, int]
    focal_factor: float
    grid: VoxelGrid
    num_classes: int = 20
    volume_scale: int = 2
    downsample_z: int = 2


GEOMETRIES = {
    'full': SymphoniesGeometry(
        (370, 1220), 1.0, VoxelGrid((0.0, -25.6, -2.0), 0.2, (256, 256, 32))
    ),
    'small': SymphoniesGeometry(
        (93, 305), 0.25, VoxelGrid((0.0, -12.8, -2.0), 0.4, (64, 64, 32))
    ),
    'flat': SymphoniesGeometry(
        (93, 305), 0.25, VoxelGrid((0.0, -6.0, -3.0), 0.75, (16, 16, 12)), 12, 1, 1
    ),
}  # fmt: skip


def read_camera(sequence: str, focal_factor: float) -> tuple[Tensor, Tensor]:
    """Intrinsics (3, 3) and lidar-to-camera (4, 4) of a KITTI sequence, float64.

    Raises:
        DataError: There is no recipe for the sequence.
    """
    if sequence not in _SEQUENCES:
        raise DataError('Symphonies case', 'sequence', ' or '.join(_SEQUENCES), sequence)
    intrinsics, lidar2cam = CALIBRATIONS[_SEQUENCES[sequence]]
    cam2img = intrinsics.copy()
    cam2img[:2] *= focal_factor
    return torch.from_numpy(cam2img), torch.from_numpy(lidar2cam)


def build_inputs(
    case: ParityCase, geometry: SymphoniesGeometry, device: str
) -> tuple[dict[str, Any], SSCDataSample]:
    """Inputs of the model for a case, as the data preprocessor makes them.

    Args:
        case: Case file with ``seed``, ``sequence`` and ``depth_q``.
        geometry: Kind of case.
        device: Device of the tensors.

    Returns:
        ``img`` (1, 1, 3, H, W), ``depth`` (1, 1, H, W), ``cam2img`` (1, 3, 3) and ``lidar2cam``
        (1, 1, 4, 4); the sample with ``gt_voxels`` and ``frustum_index``.
    """
    seed = case.integer('seed')
    cam2img, lidar2cam = read_camera(str(case['sequence']), geometry.focal_factor)
    image = fill.normal('img', (1, 3, *geometry.image_size), seed)
    depth = case['depth_q'].astype(np.float32) / np.float32(_DEPTH_STEPS)
    inputs = dict(
        img=torch.from_numpy(image)[None],
        depth=torch.from_numpy(depth)[None, None],
        cam2img=cam2img[None],
        lidar2cam=lidar2cam[None, None],
    )
    target = make_target('target', geometry.grid.shape, seed, geometry.num_classes)
    sample = SSCDataSample(
        metainfo=dict(
            voxel_grid=geometry.grid,
            cam2img=cam2img.numpy(),
            lidar2cam=lidar2cam.numpy()[None],
            img_shape=geometry.image_size,
        )
    )
    frustums = frustum_index(geometry.grid, lidar2cam, cam2img, geometry.image_size)
    sample.set_data(dict(gt_voxels=torch.from_numpy(target), frustum_index=frustums))
    return {key: value.to(device) for key, value in inputs.items()}, sample.to(device)
