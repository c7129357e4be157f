"""Tell SemanticKITTI's voxel release 1.0 from the corrected releases.

In release 1.0 every bit is shifted by one place in the flattened grid (semantic-kitti-api issue 49,
corrected in August 2020). A comparison with the voxels that the lidar scan fills shows the release.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from mmssc.formats.kitti import read_velodyne, read_voxel_bits
from mmssc.geometry import points_to_occupancy
from mmssc.structures import VoxelGrid

__all__ = ['is_shifted', 'shifted_agreement']

# On real frames the IoU with the scan is 0.98 or more for the right reading and less than 0.3 for
# the wrong one. If both are below this limit, the files do not belong together.
_MIN_AGREEMENT = 0.5


def _overlap(first: np.ndarray, second: np.ndarray) -> float:
    union = np.count_nonzero(first | second)
    return float(np.count_nonzero(first & second) / union) if union else 0.0


def shifted_agreement(
    voxel_file: str | Path, scan_file: str | Path, grid: VoxelGrid
) -> tuple[float, float]:
    """Compare a ``.bin`` volume with the scan of its frame.

    Args:
        voxel_file: ``voxels/FFFFFF.bin``.
        scan_file: ``velodyne/FFFFFF.bin``.
        grid: The grid of the volume.

    Returns:
        Intersection over union of the occupied voxels with those of the scan: as stored, and with
        every bit moved back by one place.

    Raises:
        DataError: A file is missing or damaged.
    """
    stored = read_voxel_bits(voxel_file, grid.shape)
    points = torch.from_numpy(read_velodyne(scan_file)[:, :3].copy())
    scan = points_to_occupancy(points, grid).numpy()
    moved = np.roll(stored.reshape(-1), -1).reshape(stored.shape)
    return _overlap(stored, scan), _overlap(moved, scan)


def is_shifted(as_stored: float, moved_back: float) -> bool | None:
    """Whether a volume is of release 1.0; None if neither reading agrees with the scan."""
    if max(as_stored, moved_back) < _MIN_AGREEMENT:
        return None
    return moved_back > as_stored
