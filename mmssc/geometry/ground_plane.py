"""Find the road in a depth map, in any unit: its distance below the camera gives the scale."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ['GroundPlane', 'find_ground_plane']

# Slopes of the road that are tried: rise along the view.
_SLOPES = np.linspace(-0.1, 0.1, 11)
# Rays at least this steep (fall per length) meet a road 1.65 m below the camera within 19 m.
_STEEPNESS = 0.087
# A plane holds the points whose distance below the camera differs by this factor at most.
_THICKNESS = 1.22
# Points of a plane reach this many times farther than its nearest ones; those of a wall do not.
_SMALLEST_REACH = 1.5
_MOST_POINTS, _FEWEST_POINTS = 1500, 50


class GroundPlane(NamedTuple):
    """The plane that holds most points below the horizon.

    Args:
        distance: From the camera to the plane, in the unit of the depth map.
        share: Share of the points below the horizon that lie in the plane. On real streets it is
            0.56 or more.
    """

    distance: float
    share: float


def find_ground_plane(
    depth: np.ndarray, cam2img: np.ndarray, cam2ref: np.ndarray
) -> GroundPlane | None:
    """Find the ground in front of a camera without the scale of the depth.

    Args:
        depth: (H, W), 0 or not finite = none; any unit.
        cam2img: (3, 3) or (3, 4) intrinsics, pixels.
        cam2ref: (4, 4), camera to a frame with z up. Only its rotation matters.

    Returns:
        The plane; None if few pixels look down and have a depth, or if the surface there is a wall.
    """
    points = _points_below(depth, cam2img, cam2ref[:3, :3])
    if len(points) < _FEWEST_POINTS:
        return None
    ahead = np.hypot(points[:, 0], points[:, 1])
    # Below a sloping plane through the camera, (slopes, points).
    below = _SLOPES[:, None] * ahead - points[:, 2]
    thickness = float(np.log(_THICKNESS))
    best: tuple[float, int, float, np.ndarray] | None = None
    for slope, row in zip(_SLOPES, np.log(np.maximum(below, np.finfo(float).tiny))):
        order = np.sort(row)
        counts = np.searchsorted(order, order + thickness, 'right') - np.arange(len(order))
        counts[order < np.log(ahead.min() * 1e-3)] = 0  # points above that plane
        start = int(counts.argmax())
        # Points at one distance fit every slope: prefer level ground.
        score = counts[start] * (1 - 2 * abs(slope))
        if best is None or score > best[0]:
            inside = (row >= order[start]) & (row <= order[start] + thickness)
            middle = float(np.exp(np.median(row[inside]))) / float(np.hypot(1, slope))
            best = score, int(counts[start]), middle, ahead[inside]
    assert best is not None
    near, far = np.percentile(best[3], (10, 90)) if best[1] else (1, 0)
    if far < _SMALLEST_REACH * near:
        return None
    return GroundPlane(best[2], best[1] / len(points))


def _points_below(depth: np.ndarray, cam2img: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """Points (M, 3) of the pixels that look down, relative to the camera, axes of the frame."""
    (fx, _, cx), (_, fy, cy) = np.asarray(cam2img, np.float64)[:2, :3]
    rows = np.arange(depth.shape[0])
    middle = np.stack([0 * rows, (rows - cy) / fy, 0 * rows + 1.0], -1) @ rotation.T
    looks_down = middle[:, 2] < -_STEEPNESS * np.hypot(middle[:, 0], middle[:, 1])
    measured = np.isfinite(depth) & (depth > 0) & looks_down[:, None]
    v, u = np.nonzero(measured)
    step = max(1, len(v) // _MOST_POINTS)
    v, u = v[::step], u[::step]
    rays = np.stack([(u - cx) / fx, (v - cy) / fy, np.ones(len(u))], -1)
    return depth[v, u].astype(np.float64)[:, None] * (rays @ rotation.T)
