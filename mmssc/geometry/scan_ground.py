"""Find the ground in the scan of a LiDAR: height and tilt of the sensor."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ['ScanGround', 'find_scan_ground']

# Metres. Farther ground may slope, nearer points are those of the car.
_NEAREST, _FARTHEST = 1.0, 20.0
# One point of each cell counts, so that near rings do not outweigh the rest.
_CELL = 0.5
_THICKNESS = 0.1
# Points so far below a plane speak against it, such as the street below a roof.
_BELOW = 0.4
# A sensor is tilted by at most 40 degrees.
_LEAST_UPRIGHT = 0.766
_LOWEST, _HIGHEST = 0.2, 10.0
_TRIES, _MOST_POINTS = 400, 4000
_LEAST_SHARE, _FEWEST_POINTS = 0.15, 50


class ScanGround(NamedTuple):
    """The plane on which the sensor stands.

    Args:
        height: Of the sensor above the plane, metres.
        up: (3,) float64, the direction away from the ground in the axes of the scan.
        share: Share of the cells within 20 m that lie in the plane; above 0.3 on most streets.
    """

    height: float
    up: np.ndarray
    share: float


def find_scan_ground(points: np.ndarray) -> ScanGround | None:
    """Find the ground around a sensor at the origin, whose z axis points up, tilted at most.

    The plane is that of three points which holds the most points and has few below it; a least
    squares fit refines it. The same scan always gives the same plane.

    Args:
        points: (M, 3) metres, the sensor at the origin.

    Returns:
        The ground; None if no plane is clear.
    """
    cells = _one_per_cell(points)
    if len(cells) < _FEWEST_POINTS:
        return None
    plane = _best_plane(cells)
    if plane is None:
        return None
    for _ in range(2):
        inside = np.abs(cells @ plane[:3] + plane[3]) < _THICKNESS
        plane = _fit_plane(cells[inside])
    share = float((np.abs(cells @ plane[:3] + plane[3]) < _THICKNESS).mean())
    is_clear = share >= _LEAST_SHARE and plane[2] >= _LEAST_UPRIGHT
    if not is_clear or not _LOWEST <= plane[3] <= _HIGHEST:
        return None
    return ScanGround(float(plane[3]), plane[:3], share)


def _one_per_cell(points: np.ndarray) -> np.ndarray:
    """(N, 3) float64: one point of each cell near the sensor."""
    distance = np.hypot(points[:, 0], points[:, 1])
    near = points[(distance > _NEAREST) & (distance < _FARTHEST)].astype(np.float64)
    near = near[np.abs(near[:, 2]) < _FARTHEST]
    width = 2 * int(_FARTHEST / _CELL) + 2
    x, y, z = (np.floor(near / _CELL).astype(np.int64) + width // 2).T
    _, first = np.unique((x * width + y) * width + z, return_index=True)
    return near[first[:: max(1, len(first) // _MOST_POINTS)]]


def _best_plane(points: np.ndarray) -> np.ndarray | None:
    """(4,) normal and offset of the best plane through three points: n . p + d = 0."""
    chosen = np.random.default_rng(0).integers(0, len(points), (_TRIES, 3))
    first, second, third = (points[column] for column in chosen.T)
    normals = np.cross(second - first, third - first)
    lengths = np.linalg.norm(normals, axis=1)
    is_plane = lengths > 1.0
    normals, first = normals[is_plane] / lengths[is_plane, None], first[is_plane]
    normals *= np.where(normals[:, 2:] < 0, -1, 1)
    offsets = -(normals * first).sum(1)
    is_ground = (normals[:, 2] >= _LEAST_UPRIGHT) & (offsets >= _LOWEST) & (offsets <= _HIGHEST)
    if not is_ground.any():
        return None
    planes = np.concatenate([normals, offsets[:, None]], 1)[is_ground]
    heights = planes[:, :3] @ points.T + planes[:, 3:]
    score = (np.abs(heights) < _THICKNESS).sum(1) - (heights < -_BELOW).sum(1)
    return planes[int(score.argmax())]


def _fit_plane(points: np.ndarray) -> np.ndarray:
    middle = points.mean(0)
    normal = np.linalg.eigh(np.cov((points - middle).T))[1][:, 0]
    normal = normal if normal[2] > 0 else -normal
    return np.append(normal, -normal @ middle)
