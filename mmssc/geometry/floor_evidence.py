"""What speaks for and against a level surface as the floor of an upright image."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from .gravity import SurfacePatches

__all__ = [
    'START', 'WEIGHTS', 'FloorPlane', 'JudgedFloor', 'floor_probability', 'judge_floor',
    'measure_view',
]  # fmt: skip

_LEVEL_ANGLE = math.radians(10)
_CLEARANCE = 0.05
# Tops of furniture stand so high above the floor, and below the camera (metres).
_TOPS, _TOPS_BELOW = (0.3, 1.0), 0.1
# Level surfaces that face down so little above the camera are no ceiling (metres).
_UNDERSIDE = (0.1, 0.8)
# Shares of the image that hardly count, and of floor that is enough.
_FEW, _FEW_UNDERSIDES, _ENOUGH = 0.002, 0.005, 0.1
# A camera in a hand or on a tripod: heights (metres) and tilts (degrees). What speaks against
# others, and against roll, grows over these ranges.
_HEIGHTS, _TILTS = (1.1, 1.7), (5, 20)
_HEIGHT_RANGE, _TILT_RANGE, _ROLL_RANGE = 0.25, 15, 10
# A floor of this area (square metres) may have any height, as below a robot.
_WIDE = 3.0
# A surface counts as slanted to two directions at this angle to the nearest one, and as vertical
# within the other angle.
_SLANT, _UPRIGHT = math.radians(15), math.radians(8)
# The top of an image is farther away than its bottom: logarithms of depth that count.
_RECEDES = (-0.5, 0.25)

#: Log-odds of a level surface as the floor, and what each measure adds: fitted to training frames
#: of NYU. `tools/analysis_tools/check_floor.py data/nyu/nyu_infos_train.json --fit` fits them anew.
START = 4.45
WEIGHTS = dict(
    below=-0.9, undersides=-0.63, tilt=-3.31, roll=-2.18, height=-4.82, tops=0.32, seen=0.6,
    slanted=0.95, recedes=3.63,
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
        measures: The evidence, in the order of ``WEIGHTS``.
    """

    plane: FloorPlane
    score: float
    reason: str
    measures: dict[str, float]


def floor_probability(score: float, rivals: Sequence[float]) -> float:
    """How likely a surface is the floor: it, one of its rivals, or none of them is.

    Args:
        score: Log-odds of the surface.
        rivals: Log-odds of all other surfaces.
    """
    total = torch.tensor([0.0, score, *rivals], dtype=torch.float64).logsumexp(0)
    return math.exp(score - float(total))


def measure_view(patches: SurfacePatches, up: Tensor, side: Tensor) -> dict[str, float]:
    """The evidence on the image: is it upright?

    Args:
        patches: In the frame of the camera, at least three.
        up: (3,) float64 unit vector.
        side: (3,) float64 unit vector, nearly perpendicular to ``up``: "up" of the image on its
            side.
    """
    points = patches.points[(patches.points[:, 1] / patches.points[:, 2]).argsort()]
    depth, third = points[:, 2].log(), len(points) // 3
    recedes = float(depth[:third].mean() - depth[-third:].mean())
    return dict(
        slanted=_slanted_ratio(patches, up, side),
        recedes=max(_RECEDES[0], min(_RECEDES[1], recedes)),
    )


def _measure_floor(patches: SurfacePatches, plane: FloorPlane) -> dict[str, float]:
    """The evidence on a surface; arguments as :func:`judge_floor`."""
    lower = -(patches.points @ plane.up)
    over = plane.height - lower
    cosine = patches.normals @ plane.up
    facing_up, facing_down = (sign * cosine > math.cos(_LEVEL_ANGLE) for sign in (1, -1))
    tops = facing_up & (over > _TOPS[0]) & (over < _TOPS[1]) & (lower > _TOPS_BELOW)
    undersides = facing_down & (lower < -_UNDERSIDE[0]) & (lower > -_UNDERSIDE[1])
    floor = facing_up & (over.abs() < 1.5 * plane.slack)
    height = max(_HEIGHTS[0] - plane.height, plane.height - _HEIGHTS[1])
    tilt, roll = tilt_and_roll(plane.up)
    return dict(
        below=math.log1p(_share(over < -3 * plane.slack - _CLEARANCE) / _FEW),
        undersides=math.log1p(_share(undersides) / _FEW_UNDERSIDES),
        tilt=_excess(max(_TILTS[0] - tilt, tilt - _TILTS[1]), _TILT_RANGE),
        roll=_excess(abs(roll), _ROLL_RANGE),
        height=_excess(height, _HEIGHT_RANGE) if plane.area < _WIDE else 0.0,
        tops=math.log1p(_share(tops) / _FEW),
        seen=math.log(min(_ENOUGH, _share(floor)) + _FEW),
    )


def judge_floor(
    patches: SurfacePatches, plane: FloorPlane, view: Mapping[str, float]
) -> JudgedFloor:
    """How likely a plane is the floor.

    Args:
        patches: In the frame of the upright camera.
        plane: In the same frame.
        view: See :func:`measure_view`.
    """
    found = {**_measure_floor(patches, plane), **view}
    measures = {name: found[name] for name in WEIGHTS}
    evidence = {name: WEIGHTS[name] * value for name, value in measures.items()}
    worst = min(evidence, key=lambda name: evidence[name])
    score = START + sum(evidence.values())
    return JudgedFloor(plane, score, _reason(worst, patches, plane), measures)


def _slanted_ratio(patches: SurfacePatches, up: Tensor, side: Tensor) -> float:
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
        'undersides': 'furniture above the camera: an upside-down image?',
        'tilt': f'a camera that looks {tilt:.0f} degrees down',
        'roll': f'a camera that is rolled by {roll:.0f} degrees',
        'height': f'{plane.area:.1f} m2 of level surface {where}{table}',
    }.get(name, f'{plane.area:.1f} m2 of level surface {where}, which may also be a wall')
