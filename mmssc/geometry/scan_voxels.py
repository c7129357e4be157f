"""Voxels of lidar points, and the class that most points of a voxel have; NumPy only."""

from __future__ import annotations

import numpy as np

from mmssc.structures import VoxelGrid

__all__ = ['VoxelVotes', 'flat_voxel_index', 'points_in_grid']


def points_in_grid(points: np.ndarray, grid: VoxelGrid) -> np.ndarray:
    """Place of points in a grid, in voxels from its origin.

    Args:
        points: (N, 3), columns x, y, z of the grid's frame, metres.
        grid: The grid.

    Returns:
        (N, 3) float64 along the array axes of the grid: 1.5 is the middle of voxel 1.
    """
    columns = ['xyz'.index(axis) for axis in grid.axes]
    exact = np.asarray(points, np.float64)[:, columns]
    return (exact - np.array(grid.origin)) / np.array(grid.voxel_size)


def flat_voxel_index(points: np.ndarray, grid: VoxelGrid) -> np.ndarray:
    """Voxel of every point: ``floor((p - origin) / voxel_size)`` in float64.

    This is the rule of the scans (``voxels/*.bin``) of SemanticKITTI. A point on the lower face of
    the grid is inside, one on the upper face is outside.

    Args:
        points: (N, 3), columns x, y, z of the grid's frame, metres.
        grid: The grid.

    Returns:
        (N,) int64, index into the flat volume (last axis fastest), -1 outside the grid.
    """
    cells = np.floor(points_in_grid(points, grid)).astype(np.int64)
    inside = ((cells >= 0) & (cells < grid.shape)).all(1)
    flat = np.full(len(cells), -1, np.int64)
    flat[inside] = np.ravel_multi_index(tuple(cells[inside].T), grid.shape)
    return flat


class VoxelVotes:
    """Counts points by voxel and label, scan after scan; memory grows with the voxels hit.

    Args:
        num_voxels: Voxels of the grid.
    """

    #: Labels are uint16.
    _LABELS = 1 << 16

    def __init__(self, num_voxels: int) -> None:
        self.num_voxels = num_voxels
        self._keys: list[np.ndarray] = []
        self._counts: list[np.ndarray] = []

    def add(self, voxels: np.ndarray, labels: np.ndarray) -> None:
        """Count the points of a scan.

        Args:
            voxels: (N,) int64, flat index of each point; -1 does not count.
            labels: (N,) uint16, label of each point.
        """
        hit = voxels >= 0
        pairs = voxels[hit] * self._LABELS + labels[hit]
        keys, counts = np.unique(pairs, return_counts=True)
        self._keys.append(keys)
        self._counts.append(counts)

    def majority(self) -> np.ndarray:
        """The label of most points of each voxel; equally many: the smallest label.

        Returns:
            (num_voxels,) uint16, 0 where no point is.
        """
        volume = np.zeros(self.num_voxels, np.uint16)
        if not self._keys:
            return volume
        keys, place = np.unique(np.concatenate(self._keys), return_inverse=True)
        counts = np.bincount(place.reshape(-1), np.concatenate(self._counts), len(keys))
        voxels, labels = np.divmod(keys, self._LABELS)
        # Keys ascend by voxel and label, so the first of the most frequent labels is the smallest.
        order = np.lexsort((labels, -counts, voxels))
        first = order[np.unique(voxels[order], return_index=True)[1]]
        volume[voxels[first]] = labels[first]
        return volume
