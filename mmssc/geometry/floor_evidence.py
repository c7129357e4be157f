"""What speaks for and against a level surface as the floor of an upright image."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from .gravity import SurfacePatches

__all__ = ['FloorPlane', 'JudgedFloor', 'judge_floor', 'measure_floor', 'slanted_ratio']

_LEVEL_ANGLE = math.radians(10)
_CLEARANCE = 0.05
# Tops of furniture stand so high above the floor, and below the camera (metres).
_TOPS, _TOPS_BELOW = (0.3, 1.0), 0.1
# Level surfaces that face down so little above the camera are no ceiling (metres).
_UNDERSIDE = (0.1, 0.8)
# Shares of the image that hardly count.
_FEW, _FEW_UNDERSIDES = 0.002, 0.005
# A camera in a hand or on a tripod: heights (metres), tilt and roll (degrees). What speaks against
# others grows over these ranges.
_HEIGHTS, _TILTS, _ROLL = (1.1, 1.7), (0, 30), 5
_HEIGHT_RANGE, _TILT_RANGE, _ROLL_RANGE = 0.25, 15, 8
# A floor of this area (square metres) may have any height, as below a robot.
_WIDE = 3.0
# More of the image than this above the camera speaks against a camera that sees the floor.
_MUCH_ABOVE = 0.5
# A surface counts as slanted to two directions at this angle to the nearest one, and as vertical
# within the other angle.
_SLANT, _UPRIGHT = math.radians(15), math.radians(8)

# Log-odds per measure, rounded: logistic regression on all level surfaces of NYU training frames,
# each frame in its four turns.
_START = 0.9
_WEIGHTS = dict(
    below=-0.73, above=-1.0, undersides=-1.8, tilt=-3.7, roll=-3.0, height=-3.85, tops=0.53,
    slanted=1.4,
)  # fmt: skip


class FloorPlane(NamedTuple):
    """A level plane that may be the floor, in the frame of the camera.

    Args:
        up: (3,) float64 unit normal.
        height: Distance of the camera above it, metres.
        area: Visible surface on it, square metres.
        slack: (N,) distance at which each patch still counts as on it, metres.
    """

    up: Tensor
    height: float
    area: float
    slack: Tensor


class JudgedFloor(NamedTuple):
    """A plane, and how likely it is the floor.

    Args:
        plane: The plane.
        score: Log-odds.
        reason: What speaks most against it.
        undersides: Share of the image that faces down little above the camera.
    """

    plane: FloorPlane
    score: float
    reason: str
    undersides: float


def measure_floor(patches: SurfacePatches, plane: FloorPlane, slanted: float) -> dict[str, float]:
    """The evidence, each 0 where nothing speaks for or against the floor.

    Args:
        patches: In the frame of the upright camera.
        plane: In the same frame.
        slanted: See :func:`slanted_ratio`.
    """
    lower = -(patches.points @ plane.up)
    over = plane.height - lower
    cosine = patches.normals @ plane.up
    facing_up, facing_down = (sign * cosine > math.cos(_LEVEL_ANGLE) for sign in (1, -1))
    tops = facing_up & (over > _TOPS[0]) & (over < _TOPS[1]) & (lower > _TOPS_BELOW)
    undersides = facing_down & (lower < -_UNDERSIDE[0]) & (lower > -_UNDERSIDE[1])
    height = max(_HEIGHTS[0] - plane.height, plane.height - _HEIGHTS[1])
    tilt, roll = tilt_and_roll(plane.up)
    return dict(
        below=math.log1p(_share(over < -3 * plane.slack - _CLEARANCE) / _FEW),
        above=_excess(_share(lower < 0) - _MUCH_ABOVE, 0.2),
        undersides=math.log1p(_share(undersides) / _FEW_UNDERSIDES),
        tilt=_excess(max(_TILTS[0] - tilt, tilt - _TILTS[1]), _TILT_RANGE),
        roll=_excess(abs(roll) - _ROLL, _ROLL_RANGE),
        height=_excess(height, _HEIGHT_RANGE) if plane.area < _WIDE else 0.0,
        tops=math.log1p(_share(tops) / _FEW),
        slanted=slanted,
    )


def judge_floor(patches: SurfacePatches, plane: FloorPlane, slanted: float) -> JudgedFloor:
    """How likely a plane is the floor; arguments as :func:`measure_floor`."""
    measures = measure_floor(patches, plane, slanted)
    evidence = {name: _WEIGHTS[name] * value for name, value in measures.items()}
    worst = min(evidence, key=lambda name: evidence[name])
    score = _START + sum(evidence.values())
    undersides = math.expm1(measures['undersides']) * _FEW_UNDERSIDES
    return JudgedFloor(plane, score, _reason(worst, patches, plane), undersides)


def slanted_ratio(patches: SurfacePatches, up: Tensor, side: Tensor) -> float:
    """How much clearer ``up`` is the vertical than ``side``, from -1 to 1.

    Both are normals of walls or levels, so most surfaces fit both. Of the others, doors and
    furniture at an angle to the walls, more are parallel to the vertical.

    Args:
        patches: At least one.
        up: (3,) float64 unit vector.
        side: (3,) float64 unit vector, nearly perpendicular to ``up``.
    """
    across = side - (side @ up) * up
    across = across / across.norm()
    axes = torch.stack([up, across, torch.linalg.cross(up, across)], 1)
    cosine = (patches.normals @ axes).abs()
    slanted = cosine.amax(1) < math.cos(_SLANT)
    parallel = (cosine < math.sin(_UPRIGHT)) & slanted[:, None]
    shares = parallel.double().mean(0) + 0.02
    return max(-1.0, min(1.0, math.log(float(shares[0] / shares[1]))))


def tilt_and_roll(up: Tensor) -> tuple[float, float]:
    """Degrees that the camera looks down, and that it is rolled, from "up" in its frame."""
    tilt, roll = (math.degrees(math.asin(max(-1.0, min(1.0, -float(up[axis]))))) for axis in (2, 0))
    return tilt, roll


def _share(chosen: Tensor) -> float:
    return float(chosen.double().mean())


def _excess(value: float, full: float) -> float:
    """0 up to 0, then growing to 1 at ``full``."""
    return min(1.0, max(0.0, value / full))


def _reason(name: str, patches: SurfacePatches, plane: FloorPlane) -> str:
    lower = -(patches.points @ plane.up)
    below = _share(lower - plane.height > 3 * plane.slack + _CLEARANCE)
    tilt, roll = tilt_and_roll(plane.up)
    where = f'{plane.height:.2f} m below the camera'
    table = ', as of a table or a bed' if plane.height < _HEIGHTS[0] else ''
    return {
        'below': f'{below:.1%} of the image below the lowest level surface',
        'above': f'{_share(lower < 0):.0%} of the image above the camera',
        'undersides': 'furniture above the camera: an upside-down image?',
        'tilt': f'a camera that looks {tilt:.0f} degrees down',
        'roll': f'a camera that is rolled by {roll:.0f} degrees',
        'height': f'{plane.area:.1f} m2 of level surface {where}{table}',
    }.get(name, f'{plane.area:.1f} m2 of level surface {where}, which may also be a wall')
