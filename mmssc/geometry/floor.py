"""Find the floor in a depth map, and from it the pose of the camera."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from mmssc.errors import DataError

from .camera_pose import tilted_camera
from .depth_mapping import check_depth_camera
from .gravity import SurfacePatches, find_up, surface_patches

__all__ = ['FloorFit', 'find_floor', 'level_camera', 'pose_above_floor', 'tilted_camera']

# The tolerance is constant up to this depth (metres), and grows up to four times.
_NEAR = 2.0
_FEWEST_PATCHES = 200
_LEVEL_ANGLE = math.radians(10)
_BIN = 0.02
# Smallest area of the floor (square metres). A surface closer than 0.9 m below the camera is more
# often a bed or a table: it needs more.
_AREA, _LOW_AREA, _LOW = 0.1, 3.0, 0.9
# A level surface with a larger share of the patches below it is a table or a bed.
_BELOW = 0.004
_CLEARANCE = 0.05
# Distance of tables, seats and beds from the height of the camera (metres), and the share of the
# patches that counts.
_FURNITURE, _FURNITURE_SHARE = (0.1, 1.0), 0.005
# A floor of this many times the least area, and this evidence for "up", have full confidence.
_SURE, _SURE_EVIDENCE = 5, 0.3
# How well walls and levels tell the direction (radians), and points the plane (metres).
_UP_ERROR, _PLANE_ERROR = math.radians(2), 0.01


class FloorFit(NamedTuple):
    """Result of :func:`find_floor`.

    Args:
        cam2world: (4, 4) float32, as :func:`tilted_camera`: world z up, floor at z = 0, camera at
            x = y = 0 and looking along +y.
        area: Visible floor, square metres.
        confidence: 0 to 1, see :func:`find_floor`.
    """

    cam2world: Tensor
    area: float
    confidence: float


def level_camera(
    depth: Tensor,
    cam2img: Tensor,
    max_angle: float = math.radians(40),
    heights: tuple[float, float] = (0.4, 2.5),
    tolerance: float = 0.03,
    max_depth: float = 8.0,
) -> Tensor:
    """Pose of a camera from the visible floor: ``find_floor(...).cam2world``.

    Arguments and errors are those of :func:`find_floor`.

    Returns:
        (4, 4) float32, camera to world, see :class:`FloorFit`.
    """
    return find_floor(depth, cam2img, max_angle, heights, tolerance, max_depth).cam2world


def pose_above_floor(
    depth: Tensor,
    cam2img: Tensor,
    height: float | None = None,
    tilt: float = 0.0,
    roll: float = 0.0,
) -> tuple[Tensor, float | None]:
    """Pose from height, tilt and roll, or from the floor.

    Args:
        depth: (H, W) float32, metres along the optical axis, 0 = none.
        cam2img: (3, 3) intrinsics, pixels.
        height: Metres above the floor; None searches the floor.
        tilt: See :func:`tilted_camera`; only with ``height``.
        roll: See :func:`tilted_camera`; only with ``height``.

    Returns:
        (4, 4) float32 camera to world, and the confidence of :class:`FloorFit`, None if the
        height is given.

    Raises:
        DataError: See :func:`find_floor`; or the height is not positive, or tilt or roll are given
            without it.
    """
    if height is not None:
        if not (0 < height < math.inf and abs(tilt) < math.pi / 2 and abs(roll) <= math.pi):
            expected = 'a positive height, a tilt below 90 and a roll up to 180 degrees'
            angles = ', '.join(f'{math.degrees(angle):g}' for angle in (tilt, roll))
            raise DataError('camera', 'height, tilt, roll', expected, f'{height:g} m, {angles}')
        return tilted_camera(height, tilt, roll), None
    if tilt or roll:
        found = 'a tilt or roll without a height'
        raise DataError('camera', 'tilt, roll', 'also a height', found, 'Give --height')
    fit = find_floor(depth, cam2img)
    return fit.cam2world, fit.confidence


def find_floor(
    depth: Tensor,
    cam2img: Tensor,
    max_angle: float = math.radians(40),
    heights: tuple[float, float] = (0.4, 2.5),
    tolerance: float = 0.03,
    max_depth: float = 8.0,
) -> FloorFit:
    """Find the floor in a depth map.

    The direction for which most surfaces are level or vertical is up. The floor is the lowest
    level surface; almost nothing may lie below it. Nothing is random: a depth map always gives
    the same pose.

    Args:
        depth: (H, W) float32, metres along the optical axis, 0 = none.
        cam2img: (3, 3) intrinsics, pixels.
        max_angle: Largest angle between the camera's up and that of the world, radians.
        heights: Smallest and largest height of the camera above the floor, metres.
        tolerance: Points closer to a plane than this count as on it, up to a depth of 2 m; then
            it grows with the square of the depth, like a depth camera's noise (metres).
        max_depth: Points farther away are ignored (metres).

    Raises:
        DataError: See :func:`check_depth_camera`, or the depth map does not show clearly which
            surface is the floor; ``found`` gives the reason.
    """
    check_depth_camera(depth, cam2img, torch.eye(4))
    seen = depth[torch.isfinite(depth) & (depth > 0)]
    middle = float(seen.median()) if len(seen) else 0.0
    patches = surface_patches(depth, cam2img, max_depth)
    if middle > max_depth or len(patches.areas) < _FEWEST_PATCHES:
        raise _no_floor(f'few flat surfaces within {max_depth:g} m (median depth: {middle:.3g} m)')
    up, evidence = find_up(patches, max_angle)
    if evidence < 0:
        raise _no_floor('surfaces that do not tell which way is up')
    slack = tolerance * (patches.points[:, 2] / _NEAR).square().clamp(1, 4)
    height = _lowest_level(patches, up, heights, slack)
    floor = patches.normals @ up > math.cos(_LEVEL_ANGLE)
    up, height, members = _fit_plane(patches, up, height, slack, floor)
    area = float(patches.areas[members].sum())
    least = _AREA if height >= _LOW else _LOW_AREA
    _check(patches, up, height, area, max_angle, heights, slack)
    confidence = min(1.0, area / (_SURE * least), evidence / _SURE_EVIDENCE)
    return FloorFit(_pose_over(up, height), area, confidence)


def _no_floor(found: str) -> DataError:
    return DataError('depth', 'floor', 'a level surface with nothing below it', found,
                     'Check the unit of the depth, or give the pose of the camera')  # fmt: skip


def _check(
    patches: SurfacePatches,
    up: Tensor,
    height: float,
    area: float,
    max_angle: float,
    heights: tuple[float, float],
    slack: Tensor,
) -> None:
    """Refuse a fitted plane that is not a floor."""
    angle = math.acos(max(-1.0, min(1.0, -float(up[1]))))
    if angle > max_angle:
        raise _no_floor(f'a camera turned by more than {math.degrees(max_angle):.0f} degrees')
    if not heights[0] <= height <= heights[1]:
        low, high = heights
        raise _no_floor(f'a camera at {height:.2f} m, not between {low:g} and {high:g} m')
    below = -(patches.points @ up) - height > 3 * slack + _CLEARANCE
    share = float(below.double().mean())
    if share > _BELOW:
        raise _no_floor(f'{share:.1%} of the image below the lowest level surface')
    if _upside_down(patches, up):
        raise _no_floor('furniture above the camera: an upside-down image?')
    if height < _LOW and area < _LOW_AREA:
        raise _no_floor(
            f'{area:.1f} m2 of level surface only {height:.2f} m below the camera, '
            'as of a table or a bed'
        )


def _upside_down(patches: SurfacePatches, up: Tensor) -> bool:
    """Whether level surfaces near the camera face down: tops of furniture, seen upside down.

    A ceiling is farther from the camera, and it faces down in an upright image, too.
    """
    shares = []
    for direction in (up, -up):
        below = -(patches.points @ direction)
        level = patches.normals @ direction > math.cos(_LEVEL_ANGLE)
        furniture = level & (below > _FURNITURE[0]) & (below < _FURNITURE[1])
        shares.append(float(furniture.double().mean()))
    return shares[1] > max(shares[0], _FURNITURE_SHARE)


def _lowest_level(
    patches: SurfacePatches, up: Tensor, heights: tuple[float, float], slack: Tensor
) -> float:
    """Height of the camera above the lowest level surface."""
    below = -(patches.points @ up)
    level = (patches.normals @ up > math.cos(_LEVEL_ANGLE)) & (below >= heights[0])
    bins = torch.arange(heights[0], heights[1], _BIN, dtype=torch.float64)
    near = (below[level] - bins[:, None]).abs() <= slack[level]
    area = near.double() @ patches.areas[level]
    peak = (area >= F.max_pool1d(area[None], 9, 1, 4)[0]) & (area >= _AREA)
    if not bool(peak.any()):
        raise _no_floor('no level surface below the camera')
    return float(bins[torch.nonzero(peak)[-1, 0]])


def _fit_plane(
    patches: SurfacePatches, up: Tensor, height: float, slack: Tensor, level: Tensor
) -> tuple[Tensor, float, Tensor]:
    """Normal and distance of the floor, from its points and the direction of the walls."""
    start, spread = up, (torch.eye(3, dtype=torch.float64) - torch.outer(up, up)) / _UP_ERROR**2
    points = patches.points
    for _ in range(3):
        members = level & ((points @ up + height).abs() <= 1.5 * slack)
        weight = slack[members, None].square().reciprocal()
        weight = weight / weight.sum()
        centre = (points[members] * weight).sum(0)
        apart = points[members] - centre
        matrix = (apart * weight).T @ apart / _PLANE_ERROR**2 + spread
        found = torch.linalg.eigh(matrix)[1][:, 0]
        up = found if float(found @ start) > 0 else -found
        height = -float(centre @ up)
    return up, height, members


def _pose_over(normal: Tensor, height: float) -> Tensor:
    forward = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    forward = forward - (forward @ normal) * normal
    forward = forward / forward.norm()
    pose = torch.eye(4, dtype=torch.float64)
    pose[:3, :3] = torch.stack([torch.linalg.cross(forward, normal), forward, normal])
    pose[2, 3] = height
    return pose.to(torch.float32)
