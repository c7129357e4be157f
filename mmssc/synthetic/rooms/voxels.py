"""Voxel labels of a synthetic room, with the same meaning as in SSCNet's volumes of NYU.

Objects are filled, also where the camera does not see them. The inside of the room is empty (0).
Voxels beyond its walls, floor and ceiling are outside the annotation (255).
"""

from __future__ import annotations

import numpy as np

from mmssc.formats.sscnet import IGNORE
from mmssc.structures import VoxelGrid
from mmssc.synthetic.solids import BOX, CYLINDER, Solids, turn

from .layout import WALL, Room

__all__ = ['voxelize_room']

# Depth files have whole millimetres.
_ROUNDING = 0.001


def _world_centers(grid: VoxelGrid) -> list[np.ndarray]:
    """Voxel centres along world x, y and z, one array each."""
    along = {
        axis: low + size * (np.arange(count) + 0.5)
        for axis, low, size, count in zip(grid.axes, grid.origin, grid.voxel_size, grid.shape)
    }
    return [along[axis] for axis in 'xyz']


def _inside(solids: Solids, number: int, margin: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Which of (..., 3) world points are in a solid enlarged by ``margin`` on all sides."""
    local = turn(points - solids.center[number], np.array(-solids.yaw[number]))
    unit = local / (solids.half_size[number] + margin)
    if solids.kind[number] == BOX:
        return (np.abs(unit) <= 1).all(-1)
    if solids.kind[number] == CYLINDER:
        return (np.hypot(unit[..., 0], unit[..., 1]) <= 1) & (np.abs(unit[..., 2]) <= 1)
    return (unit**2).sum(-1) <= 1


def voxelize_room(room: Room, grid: VoxelGrid) -> np.ndarray:
    """Raw ids of a grid.

    A voxel that a surface crosses belongs to the object, even if its centre does not. So a depth
    point is never in an empty voxel.

    Args:
        room: The room.
        grid: In the world frame, any order of axes, cubic voxels.

    Returns:
        ``grid.shape`` uint8, raw ids 0..36, 255 = outside.
    """
    centers = _world_centers(grid)
    volume = np.zeros([len(along) for along in centers], np.uint8)
    half, corners = grid.voxel_size[0] / 2, room.solids.corners()
    pad = half + _ROUNDING
    low, high = corners.min(1) - pad, corners.max(1) + pad
    first = np.stack([np.searchsorted(along, low[:, a]) for a, along in enumerate(centers)], 1)
    end = np.stack([np.searchsorted(along, high[:, a], 'right')
                    for a, along in enumerate(centers)], 1)  # fmt: skip
    # First touched voxels, then those with their centre inside: these override a neighbour's touch.
    for touched in (True, False):
        for number in np.flatnonzero((end > first).all(1)).tolist():
            window = tuple(slice(a, b) for a, b in zip(first[number], end[number]))
            mesh = np.meshgrid(*(c[w] for c, w in zip(centers, window)), indexing='ij')
            yaw = room.solids.yaw[number]
            reach = half * (abs(np.cos(yaw)) + abs(np.sin(yaw)))
            if room.solids.kind[number] != BOX:
                reach = half * np.sqrt(2)
            margin = touched * (np.array((reach, reach, half)) + _ROUNDING)
            hit = _inside(room.solids, number, margin, np.stack(mesh, -1))
            volume[window][hit] = room.solids.label[number]
    beyond = max(WALL, half) + 1e-6
    for axis, along in enumerate(centers):
        outside = (along < room.low[axis] - beyond) | (along > room.high[axis] + beyond)
        volume[(slice(None),) * axis + (outside,)] = IGNORE
    return volume.transpose(['xyz'.index(axis) for axis in grid.axes])
