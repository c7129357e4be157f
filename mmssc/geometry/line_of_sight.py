"""Which empty voxels a sensor sees, by rays through a voxel grid; NumPy only."""

from __future__ import annotations

import numpy as np

from mmssc.structures import VoxelGrid

from .scan_voxels import points_in_grid

__all__ = ['seen_empty_voxels']

# Rays at a time, so that their numbers stay in the cache of the processor.
_CHUNK = 1 << 14
_INSIDE = 1e-9


def seen_empty_voxels(occupied: np.ndarray, grid: VoxelGrid, sensor: np.ndarray) -> np.ndarray:
    """Empty voxels that a ray from the sensor passes before it meets an occupied one.

    One ray goes to the centre of every voxel at the border of the grid, through every voxel on its
    way. Neighbouring rays are at most one voxel apart, so they pass all voxels of an empty grid.
    The voxel that holds the sensor hides nothing. Rays have no thickness: an empty voxel beside an
    edge can be seen although its centre is hidden.

    Args:
        occupied: (X, Y, Z) bool.
        grid: The grid.
        sensor: (3,) x, y, z in the grid's frame, metres; it may be outside of the grid.

    Returns:
        (X, Y, Z) bool.
    """
    start = points_in_grid(np.asarray(sensor, np.float64)[None], grid)[0]
    shape = np.array(occupied.shape)
    blocks = occupied.reshape(-1).copy()
    cell = np.floor(start).astype(np.int64)
    if ((cell >= 0) & (cell < shape)).all():
        blocks[np.ravel_multi_index(tuple(cell), occupied.shape)] = False
    passed = np.zeros(occupied.size, bool)
    border = np.ones(occupied.shape, bool)
    border[1:-1, 1:-1, 1:-1] = False
    ends = np.argwhere(border) + 0.5
    for first in range(0, len(ends), _CHUNK):
        _follow_rays(blocks, passed, shape, start, ends[first : first + _CHUNK])
    return passed.reshape(occupied.shape) & ~occupied


def _follow_rays(
    blocks: np.ndarray, passed: np.ndarray, shape: np.ndarray, start: np.ndarray, ends: np.ndarray
) -> None:
    """Mark in ``passed`` the voxels from ``start`` to each of ``ends`` or the first of ``blocks``.

    The parameter of a ray is 0 at ``start`` and 1 at its end; numbers are in voxels.
    """
    way = (ends - start).T
    with np.errstate(divide='ignore', invalid='ignore'):
        far_side = np.where(way > 0, 0, shape[:, None])
        # A sensor outside of the grid: begin where the ray enters it.
        enter = np.where(way != 0, (far_side - start[:, None]) / way, -np.inf).max(0)
        cell = np.floor(start[:, None] + way * (np.maximum(enter, 0) + _INSIDE)).astype(np.int64)
        cell = np.clip(cell, 0, shape[:, None] - 1)
        step = np.abs(1 / way)
        next_face = (cell + (way > 0) - start[:, None]) / way
    next_face[way == 0] = np.inf
    stride = np.array((shape[1] * shape[2], shape[2], 1))[:, None]
    move = np.sign(way).astype(np.int64) * stride
    flat = (cell * stride).sum(0)
    while flat.size:
        passed[flat] = True
        axis = next_face.argmin(0)
        crossing = np.take_along_axis(next_face, axis[None], 0)[0]
        goes_on = np.flatnonzero(~blocks[flat] & (crossing < 1))
        axis, flat = axis[goes_on], flat[goes_on]
        next_face, move, step = next_face[:, goes_on], move[:, goes_on], step[:, goes_on]
        ray = np.arange(len(flat))
        flat = flat + move[axis, ray]
        next_face[axis, ray] += step[axis, ray]
