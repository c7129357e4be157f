"""Find the floor in a depth map, and from it the pose of the camera."""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from mmssc.errors import DataError

from .camera_pose import tilted_camera
from .depth_mapping import check_depth_camera
from .floor_evidence import FloorPlane, JudgedFloor, floor_probability, judge_floor, measure_view
from .gravity import FILLED, SurfacePatches, find_up, surface_patches

__all__ = ['check_placement', 'FloorFit', 'find_floor', 'pose_above_floor']

# The tolerance is constant up to this depth (metres), and doubles with it.
_NEAR = 2.0
#: With fewer surfaces, an image is refused.
FEWEST_PATCHES = 200
_LEVEL_ANGLE = math.radians(10)
# Candidates: bins of the height (metres), bins between two of them, and the smallest surface
# (square metres, patches).
_BIN, _APART = 0.02, 4
_AREA, _PATCHES = 0.05, 5
# How likely an answer must be: the caller knows that the image is upright, or does not. Portrait
# images are more often turned.
TRUSTED, LANDSCAPE, PORTRAIT = 0.3, 0.7, 0.9
#: Log-odds that an image is turned clockwise by 0, 90, 180, 270 degrees, against upright. Few
#: cameras are upside down.
TURNED = (0.0, -1.5, -2.0, -1.5)
# A surface this much less likely (a factor) is about as clear.
_RIVAL = 0.2
# How well walls and levels tell the direction (radians), and points the plane (metres).
_UP_ERROR, _PLANE_ERROR = math.radians(1.5), 0.01
# From the camera of an image to that of the image turned clockwise by 90 degrees.
_QUARTER = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]], dtype=torch.float64)


class FloorFit(NamedTuple):
    """Result of :func:`find_floor`.

    Args:
        cam2world: (4, 4) float32, as :func:`tilted_camera`: world z up, floor at z = 0, camera at
            x = y = 0 and looking along +y.
        area: Visible floor, square metres.
        confidence: 0 to 1, how likely this is the floor, see :func:`find_floor`.
    """

    cam2world: Tensor
    area: float
    confidence: float


def pose_above_floor(
    depth: Tensor,
    cam2img: Tensor,
    height: float | None = None,
    tilt: float = 0.0,
    roll: float = 0.0,
    upright: bool = False,
) -> tuple[Tensor, float | None]:
    """Pose from height, tilt and roll, or from the floor.

    Args:
        depth: (H, W) float32, metres along the optical axis, 0 = none.
        cam2img: (3, 3) intrinsics, pixels.
        height: Metres above the floor; None searches the floor.
        tilt: See :func:`tilted_camera`; only with ``height``.
        roll: See :func:`tilted_camera`; only with ``height``.
        upright: See :func:`find_floor`.

    Returns:
        (4, 4) float32 camera to world, and the confidence of :class:`FloorFit`, None if the
        height is given.

    Raises:
        DataError: See :func:`find_floor`; or the height is not positive, or tilt or roll are given
            without it.
    """
    if height is not None:
        check_placement(height, tilt, roll)
        return tilted_camera(height, tilt, roll), None
    if tilt or roll:
        found = 'a tilt or roll without a height'
        raise DataError('camera', 'tilt, roll', 'also a height', found, 'Give --height')
    fit = find_floor(depth, cam2img, upright=upright)
    return fit.cam2world, fit.confidence


def check_placement(height: float, tilt: float, roll: float, in_command: bool = False) -> None:
    """Check the height and the angles of a camera.

    Args:
        height: Metres above the floor.
        tilt: See :func:`tilted_camera`, radians.
        roll: See :func:`tilted_camera`, radians.
        in_command: They come from the options ``--height``, ``--tilt`` and ``--roll``, the angles
            in degrees.

    Raises:
        DataError: One is out of range; it names the argument or the option.
    """
    prefix = '--' if in_command else ''
    if not 0 < height <= 20:
        expected = 'metres above the floor, more than 0 and up to 20'
        raise DataError(f'{prefix}height', None, expected, f'{height:g}', _metres_hint(height))
    limits = (
        ('tilt', tilt, 90, abs(tilt) < math.pi / 2),
        ('roll', roll, 180, abs(roll) <= math.pi),
    )
    for name, angle, limit, is_valid in limits:
        if is_valid:
            continue
        expected, degrees = f'an angle between -{limit} and {limit} degrees', math.degrees(angle)
        if in_command:
            raise DataError(f'--{name}', None, expected, f'{degrees:g}')
        expected = f'radians: {expected} (-{math.radians(limit):.2f} to {math.radians(limit):.2f})'
        hint = f'Did you mean math.radians({angle:g})?' if abs(angle) <= limit else None
        raise DataError(name, None, expected, f'{angle:g} ({degrees:.0f} degrees)', hint)


def _metres_hint(height: float) -> str | None:
    """What a height that is too large for metres would be in smaller units."""
    for factor, unit in ((100, 'cm'), (1000, 'mm')):
        if height > 20 and 0.3 <= height / factor <= 3:
            return f'Did you mean {height / factor:g} m ({height:g} {unit})?'
    return None


def find_floor(
    depth: Tensor,
    cam2img: Tensor,
    max_angle: float = math.radians(40),
    heights: tuple[float, float] = (0.4, 2.5),
    tolerance: float = 0.03,
    max_depth: float = 8.0,
    upright: bool = False,
) -> FloorFit:
    """Find the floor in a depth map.

    The direction for which most surfaces are level or vertical is up. Each level surface below the
    camera may be the floor; :mod:`mmssc.geometry.floor_evidence` judges them. The three turned
    images are judged in the same way, so a wall of a turned image is not taken for the floor.
    Nothing is random: a depth map always gives the same pose.

    The confidence is the probability that this surface is the floor, rather than another one, one
    of a turned image, or none.

    Args:
        depth: (H, W) float32, metres along the optical axis, 0 = none.
        cam2img: (3, 3) intrinsics, pixels.
        max_angle: Largest angle between the camera's up and that of the world, radians.
        heights: Smallest and largest height of the camera above the floor, metres.
        tolerance: Points closer to a plane than this count as on it, up to a depth of 2 m; then
            it grows with the square of the depth, like a depth camera's noise (metres).
        max_depth: Points farther away are ignored (metres).
        upright: The image is known to be upright. Otherwise the floor must be more likely, and the
            surfaces of the turned images are its rivals.

    Raises:
        DataError: See :func:`check_depth_camera`, or the depth map does not show clearly which
            surface is the floor; ``found`` gives the reason.
    """
    check_depth_camera(depth, cam2img, torch.eye(4))
    seen = depth[torch.isfinite(depth) & (depth > 0)]
    middle = float(seen.median()) if len(seen) else 0.0
    patches = surface_patches(depth, cam2img, max_depth)
    if middle > max_depth or len(patches.areas) < FEWEST_PATCHES:
        empty = 1 - len(seen) / depth.numel()
        if middle <= max_depth and empty > 1 - FILLED:
            holes = f'few flat surfaces: {100 * empty:.0f} % of the pixels have no depth'
            raise _no_floor(holes, 'Fill the holes of the depth')
        raise _no_floor(f'few flat surfaces within {max_depth:g} m (median depth: {middle:.3g} m)')
    found = candidate_floors(patches, max_angle, heights, tolerance)
    if not found[0]:
        raise _no_floor('no level surface below the camera')
    floor = max(found[0], key=lambda floor: floor.score)
    confidence = _confidence(floor, found, upright, depth.shape[0] > depth.shape[1])
    return FloorFit(_pose_over(floor.plane.up, floor.plane.height), floor.plane.area, confidence)


def candidate_floors(
    patches: SurfacePatches,
    max_angle: float = math.radians(40),
    heights: tuple[float, float] = (0.4, 2.5),
    tolerance: float = 0.03,
) -> list[list[JudgedFloor]]:
    """Planes that may be the floor, for the image as it is and after 1, 2, 3 quarter turns.

    Args:
        patches: In the frame of the camera.
        max_angle: See :func:`find_floor`.
        heights: See :func:`find_floor`.
        tolerance: See :func:`find_floor`.

    Returns:
        A list for each turn (clockwise), in the frame of the camera of the turned image.
    """
    slack = tolerance * (patches.points[:, 2] / _NEAR).square().clamp(1, 2)
    axes = (
        find_up(patches, max_angle),
        _QUARTER.T @ find_up(_turned(patches, _QUARTER), max_angle),
    )
    found = []
    for turn in range(4):
        rotation = torch.linalg.matrix_power(_QUARTER, turn)
        view = _turned(patches, rotation)
        # Upside down, the same surfaces are level and vertical.
        up = rotation @ axes[turn % 2] * (1 if turn < 2 else -1)
        evidence = measure_view(view, up, rotation @ axes[1 - turn % 2])
        planes = _level_planes(view, up, slack, max_angle, heights)
        found.append([judge_floor(view, plane, evidence) for plane in planes])
    return found


def _turned(patches: SurfacePatches, rotation: Tensor) -> SurfacePatches:
    normals, points = (value @ rotation.T for value in (patches.normals, patches.points))
    return SurfacePatches(normals, points, patches.areas)


def _no_floor(found: str, remedy: str = 'Check the unit of the depth') -> DataError:
    return DataError('depth', 'floor', 'a level surface with nothing below it', found,
                     f'{remedy}, or give the pose of the camera')  # fmt: skip


def _confidence(
    floor: JudgedFloor, found: list[list[JudgedFloor]], upright: bool, portrait: bool
) -> float:
    """How likely the best surface is the floor; an error if that is not enough."""
    others = [other.score for other in found[0] if other is not floor]
    likely = floor_probability(floor.score, others)
    if likely < TRUSTED:
        raise _no_floor(floor.reason)
    if upright:
        return likely
    turned = [[other.score + odds for other in view] for view, odds in zip(found[1:], TURNED[1:])]
    likely = floor_probability(floor.score, [*others, *itertools.chain(*turned)])
    if likely < (PORTRAIT if portrait else LANDSCAPE):
        best = [max(scores, default=-math.inf) for scores in turned]
        if max(best) > floor.score + math.log(_RIVAL):
            degrees = 90 * (1 + best.index(max(best)))
            raise _no_floor(f'a floor about as clear if the image is turned by {degrees} degrees')
        raise _no_floor(f'{floor.reason}; the image may also be turned')
    return likely


def _level_planes(
    patches: SurfacePatches,
    up: Tensor,
    slack: Tensor,
    max_angle: float,
    heights: tuple[float, float],
) -> list[FloorPlane]:
    """Level planes below the camera, fitted, from low to high."""
    below = -(patches.points @ up)
    level = patches.normals @ up > math.cos(_LEVEL_ANGLE)
    seen = level & (below >= heights[0])
    bins = torch.arange(heights[0], heights[1], _BIN, dtype=torch.float64)
    near = ((below[seen] - bins[:, None]).abs() <= slack[seen]).double()
    area, count = near @ patches.areas[seen], near.sum(1)
    peak = area >= F.max_pool1d(area[None], 2 * _APART + 1, 1, _APART)[0]
    peak &= (area >= _AREA) & (count >= _PATCHES)
    planes: list[FloorPlane] = []
    last = len(bins) + _APART
    for index in reversed(torch.nonzero(peak)[:, 0].tolist()):
        if last - index <= _APART:
            continue
        last = index
        plane = _fit_plane(patches, up, float(bins[index]), slack, level)
        angle = math.acos(max(-1.0, min(1.0, -float(plane.up[1]))))
        if angle <= max_angle and heights[0] <= plane.height <= heights[1]:
            planes.append(plane)
    return planes


def _fit_plane(
    patches: SurfacePatches, up: Tensor, height: float, slack: Tensor, level: Tensor
) -> FloorPlane:
    """A plane from its points and the direction of the walls."""
    start, spread = up, (torch.eye(3, dtype=torch.float64) - torch.outer(up, up)) / _UP_ERROR**2
    points = patches.points
    for _ in range(3):
        near = level & ((points @ up + height).abs() <= 1.5 * slack)
        if not bool(near.any()):
            break
        members = near
        weight = slack[members, None].square().reciprocal()
        weight = weight / weight.sum()
        centre = (points[members] * weight).sum(0)
        apart = points[members] - centre
        matrix = (apart * weight).T @ apart / _PLANE_ERROR**2 + spread
        found = torch.linalg.eigh(matrix)[1][:, 0]
        up = found if float(found @ start) > 0 else -found
        height = -float(centre @ up)
    return FloorPlane(up, height, float(patches.areas[members].sum()), slack)


def _pose_over(normal: Tensor, height: float) -> Tensor:
    forward = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    forward = forward - (forward @ normal) * normal
    forward = forward / forward.norm()
    pose = torch.eye(4, dtype=torch.float64)
    pose[:3, :3] = torch.stack([torch.linalg.cross(forward, normal), forward, normal])
    pose[2, 3] = height
    return pose.to(torch.float32)
