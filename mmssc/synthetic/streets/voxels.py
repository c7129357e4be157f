"""Voxel labels of a synthetic drive, with the same meaning as in SemanticKITTI.

SemanticKITTI combines the scans of a whole drive. A voxel has the class of most of its points. It
is ``invalid`` if no scan saw it, and ``occluded`` if the current scan did not see through it (so
every occupied and every invalid voxel is also occluded). Here, points are placed evenly on all
surfaces; points that are visible from at least one position of the drive count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmssc.structures import VoxelGrid
from mmssc.synthetic.panorama import Panorama
from mmssc.synthetic.solids import BOX, CYLINDER, Solids, surface_normals, turn

from .layout import Street

__all__ = ['VoxelAnnotation', 'annotate_voxels', 'sample_surfaces']

# Surface points along the edge of a voxel.
_SAMPLES_PER_VOXEL = 2.0
# Scans see the ground at a grazing angle, so real scans have fewer points per area on it.
_GROUND_WEIGHT = 0.4
_SCAN_WEIGHT = 1e-3
_EDGE = 0.999


def _patches(solids: Solids, step: float) -> tuple[np.ndarray, ...]:
    """Rectangular parameter patches of the surfaces: solid, patch, cells along both, area."""
    half, rows = solids.half_size, []
    boxes = np.flatnonzero(solids.kind == BOX)
    for face in range(5):  # +x, -x, +y, -y, +z: objects stand on the ground
        one, other = [axis for axis in range(3) if axis != face // 2]
        rows.append((boxes, face, 2 * half[boxes, one], 2 * half[boxes, other]))
    rounds = np.flatnonzero(solids.kind != BOX)
    width, height = 2 * np.pi * half[rounds, :2].max(1), 2 * half[rounds, 2]
    upright = solids.kind[rounds] == CYLINDER
    # A meridian of an ellipsoid is longer than its height.
    rows.append((rounds, 5, width, np.where(upright, height, 1.57 * height)))
    numbers, patches, cells, areas = [], [], [], []
    for index, patch, length, breadth in rows:
        numbers.append(index)
        patches.append(np.full(len(index), patch))
        cells.append(np.ceil(np.stack((length, breadth), 1) / step).astype(np.int64) + 1)
        areas.append(length * breadth)
    return tuple(np.concatenate(part) for part in (numbers, patches, cells, areas))


def sample_surfaces(solids: Solids, step: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points on the surfaces, at most about ``step`` metres from each other.

    Returns:
        World points (N, 3), the solid of each (N,) and the area of each (N,), square metres.
    """
    number, patch, cells, area = _patches(solids, step)
    count = cells.prod(1)
    owner = np.repeat(np.arange(len(number)), count)
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    one = within % cells[owner, 0]
    # From edge to edge: the last centimetres of a surface may be in another voxel.
    height = _EDGE * (2 * (within // cells[owner, 0]) / (cells[owner, 1] - 1) - 1)
    length = _EDGE * (2 * one / (cells[owner, 0] - 1) - 1)
    angle = 2 * np.pi * one / cells[owner, 0]
    number, face = number[owner], patch[owner]
    across = np.where(solids.kind[number] == CYLINDER, 1.0, np.sqrt(1 - height * height))
    unit = np.stack((across * np.cos(angle), across * np.sin(angle), height), 1)
    for flat in range(5):
        at = face == flat
        axis = flat // 2
        rest = [other_axis for other_axis in range(3) if other_axis != axis]
        unit[at, axis] = 1.0 - 2.0 * (flat % 2)
        unit[at, rest[0]], unit[at, rest[1]] = length[at], height[at]
    local = unit * solids.half_size[number]
    world = turn(local, solids.yaw[number]) + solids.center[number]
    return world, number, (area / count)[owner]


def _sample_ground(
    street: Street, low: np.ndarray, high: np.ndarray, step: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    # The raster is fixed in the world, so that all frames have the same labels of the ground.
    axes = [
        (np.arange(np.floor(first / step), np.ceil(last / step)) + 0.5) * step
        for first, last in zip(low, high)
    ]
    x, y = (axis.reshape(-1) for axis in np.meshgrid(*axes, indexing='ij'))
    weight = np.full(x.size, _GROUND_WEIGHT * step * step)
    return np.stack((x, y, np.zeros_like(x)), 1), street.ground_label(x, y), weight


@dataclass(frozen=True)
class VoxelAnnotation:
    """One frame's ``.label``, ``.invalid``, ``.occluded`` and ``.bin``, all (X, Y, Z)."""

    labels: np.ndarray
    invalid: np.ndarray
    occluded: np.ndarray
    scan: np.ndarray


def _voxel_index(points: np.ndarray, world2lidar: np.ndarray, grid: VoxelGrid) -> np.ndarray:
    """Flat voxel index (N,) of world points, -1 outside the grid."""
    local = points @ world2lidar[:3, :3].T + world2lidar[:3, 3]
    cell = np.floor((local - grid.origin) / grid.voxel_size).astype(np.int64)
    inside = ((cell >= 0) & (cell < grid.shape)).all(1)
    flat = np.full(len(points), -1, np.int64)
    flat[inside] = np.ravel_multi_index(cell[inside].T, grid.shape)
    return flat


def _seen_by_any(points: np.ndarray, panoramas: Sequence[Panorama], slack: float,
                 normals: np.ndarray | None = None) -> np.ndarray:  # fmt: skip
    """Points that at least one panorama sees; points with a normal only from outside."""
    seen, left = np.zeros(len(points), bool), np.arange(len(points))
    for panorama in panoramas:
        if left.size == 0:
            break
        asked = left
        if normals is not None:
            towards = panorama.rays.origin - points[left]
            asked = left[(towards * normals[left]).sum(1) > 0]
        seen[asked] = panorama.sees(points[asked], slack)
        left = left[~seen[left]]
    return seen


def _majority(flat: np.ndarray, label: np.ndarray, weight: np.ndarray, total: int) -> np.ndarray:
    """Label with the largest weight per voxel, uint16, 0 if there is no point."""
    names, code = np.unique(label, return_inverse=True)
    votes = np.bincount(flat * len(names) + code, weight, total * len(names))
    votes = votes.reshape(total, len(names))
    return np.where(votes.max(1) > 0, names[votes.argmax(1)], 0).astype(np.uint16)


@dataclass(frozen=True)
class _SurfacePoints:
    """N surface points inside a grid."""

    points: np.ndarray
    normals: np.ndarray
    labels: np.ndarray
    weights: np.ndarray
    voxel: np.ndarray


def _surface_points(
    street: Street, grid: VoxelGrid, lidar2world: np.ndarray, world2lidar: np.ndarray
) -> _SurfacePoints:
    """Points on all surfaces in the grid's box."""
    corners = np.array([
        [(grid.origin, grid.upper)[bit >> axis & 1][axis] for axis in range(3)] for bit in range(8)
    ])  # fmt: skip
    corners = corners @ lidar2world[:3, :3].T + lidar2world[:3, 3]
    low, high = corners[:, :2].min(0), corners[:, :2].max(0)
    step = min(grid.voxel_size) / _SAMPLES_PER_VOXEL
    near = street.solids.near((low + high) / 2, float(np.linalg.norm(high - low)) / 2)
    solids = street.solids.take(near)
    points, number, area = sample_surfaces(solids, step)
    voxel = _voxel_index(points, world2lidar, grid)
    keep = voxel >= 0
    points, number, area, voxel = points[keep], number[keep], area[keep], voxel[keep]
    ground, ground_label, ground_weight = _sample_ground(street, low, high, step)
    ground_voxel = _voxel_index(ground, world2lidar, grid)
    keep = ground_voxel >= 0
    up = np.broadcast_to((0.0, 0.0, 1.0), (keep.sum(), 3))
    return _SurfacePoints(
        np.concatenate((points, ground[keep])),
        np.concatenate((surface_normals(solids.take(number), points), up)),
        np.concatenate((solids.label[number], ground_label[keep])),
        np.concatenate((area, ground_weight[keep])),
        np.concatenate((voxel, ground_voxel[keep])),
    )


def annotate_voxels(
    street: Street,
    grid: VoxelGrid,
    lidar2world: np.ndarray,
    current: int,
    panoramas: Sequence[Panorama],
    scan: tuple[np.ndarray, np.ndarray],
) -> VoxelAnnotation:
    """Make the voxel files of one frame.

    Args:
        street: The scene.
        grid: In the frame of the current lidar, axes x, y, z.
        lidar2world: (4, 4) current lidar.
        current: Index of the current frame in ``panoramas``.
        panoramas: Panoramas of every position of the drive.
        scan: World points (N, 3) and raw labels (N,) of the current scan.
    """
    world2lidar = np.linalg.inv(lidar2world)
    order = np.argsort([np.abs(place - current) for place in range(len(panoramas))], kind='stable')
    ordered = [panoramas[place] for place in order]
    surface = _surface_points(street, grid, lidar2world, world2lidar)
    slack = 0.1 + 0.1 * min(grid.voxel_size)
    seen = _seen_by_any(surface.points, ordered, slack, surface.normals)
    scan_flat = _voxel_index(scan[0], world2lidar, grid)
    hit = scan_flat >= 0
    volume = _majority(
        np.concatenate((surface.voxel[seen], scan_flat[hit])),
        np.concatenate((surface.labels[seen], scan[1][hit])),
        np.concatenate((surface.weights[seen], np.full(hit.sum(), _SCAN_WEIGHT))),
        grid.num_voxels,
    )
    occupied = volume > 0
    solid = occupied.copy()
    solid[surface.voxel] = True  # a surface that was never seen is not empty space either
    centers = grid.centers().numpy().astype(np.float64)
    centers = centers @ lidar2world[:3, :3].T + lidar2world[:3, 3]
    free = np.zeros(grid.num_voxels, bool)
    asked = np.flatnonzero(~solid & (centers[:, 2] > 0))
    free[asked] = _seen_by_any(centers[asked], ordered, 0.0)
    free_now = np.zeros_like(free)
    free_now[asked] = panoramas[current].sees(centers[asked], 0.0)
    scan_voxels = np.zeros_like(free)
    scan_voxels[scan_flat[hit]] = True
    return VoxelAnnotation(
        volume.reshape(grid.shape),
        (~occupied & ~free).reshape(grid.shape),
        (~free_now).reshape(grid.shape),
        scan_voxels.reshape(grid.shape),
    )
