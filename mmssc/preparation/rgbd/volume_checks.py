"""Check SSCNet's volumes against what they should be: raw ids, in the order of the depth image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from mmssc.datasets.label_axes import check_axes
from mmssc.errors import DataError
from mmssc.formats.matrices import camera_matrix
from mmssc.formats.sscnet import IGNORE, RAW_TO_CLASS, SSCNetVolume, read_sscnet_bin
from mmssc.formats.volumes import describe_ids
from mmssc.geometry import depth_to_voxels
from mmssc.geometry.depth_mapping import hit_voxels
from mmssc.structures import VoxelGrid

from .layouts import RawFrame

__all__ = ['check_raw_ids', 'check_volume_axes']

# Volumes to read, and the fewest that tell class ids from raw ids: a single room may have no
# object with a high raw id.
_MOST_VOLUMES, _FEWEST_VOLUMES = 8, 3


def check_raw_ids(
    frames: Sequence[RawFrame], shape: tuple[int, int, int], num_classes: int
) -> None:
    """Refuse volumes of class ids (train ids) in place of raw ids.

    Args:
        frames: Frames of one source; some of them are read.
        shape: Of the volumes.
        num_classes: Number of classes, including "empty".

    Raises:
        DataError: No volume has a raw id above the last class.
    """
    read: list[np.ndarray] = []
    for frame in frames[:: max(1, len(frames) // _MOST_VOLUMES)]:
        try:
            raw_ids = read_sscnet_bin(frame.volume, shape).raw_ids
        except DataError:
            continue  # the task of the frame reports it
        occupied = raw_ids[(raw_ids > 0) & (raw_ids != IGNORE)]
        if occupied.max(initial=0) >= num_classes:
            return
        if occupied.size:
            read.append(occupied)
    if len(read) >= _FEWEST_VOLUMES:
        ids = describe_ids(np.concatenate(read))
        raise DataError(
            frames[0].volume.parent, 'ids in .bin',
            f'raw ids 0..{len(RAW_TO_CLASS) - 1}, some of them above {num_classes - 1}',
            f'none above {num_classes - 1} in {len(read)} volumes: {ids}',
            'These look like train ids. Use the raw .bin files of SSCNet, or store a raw id of each'
            ' class (mmssc.formats.sscnet.RAW_NAMES)',
        )  # fmt: skip


def check_volume_axes(
    path: Path,
    volume: SSCNetVolume,
    depth: np.ndarray,
    camera: tuple[float, float, float, float],
    grid: VoxelGrid,
) -> None:
    """Refuse a volume whose axes have another order than ``grid``.

    Args:
        path: The volume, for the error.
        volume: Its content.
        depth: (H, W) float32 metres of the same frame.
        camera: fx, fy, cx, cy in pixels.
        grid: The grid of the volume.

    Raises:
        DataError: More of the measured surface is occupied if axes are swapped or reversed.
    """
    pixels = depth_to_voxels(
        torch.from_numpy(depth),
        torch.from_numpy(camera_matrix(camera)),
        torch.from_numpy(volume.cam2world),
        grid,
    )
    surface = np.zeros(grid.num_voxels, bool)
    surface[hit_voxels(pixels, grid.num_voxels).numpy()] = True
    occupied = (volume.raw_ids > 0) & (volume.raw_ids != IGNORE)
    expected = 'occupied voxels where the depth image shows a surface'
    check_axes(path, occupied, surface.reshape(grid.shape), expected, grid.axes)
