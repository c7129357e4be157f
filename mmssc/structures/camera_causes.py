"""Why the pose of a camera may be wrong: inverse, other axes, a turned image, another unit."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

__all__ = [
    'Cause', 'camera_angles', 'describe_causes', 'likeliest', 'likely_units', 'unit_causes',
    'view_causes', 'world_causes', 'world_of_first_camera',
]  # fmt: skip

_STEEP = 75  # degrees
# To our camera axes (x right, y down, z forward) from OpenGL's (x right, y up, z backwards), a
# vehicle's (x forward, y left, z up) and an aircraft's (x forward, y right, z down).
_FROM_OPENGL = np.diag([1.0, -1, -1, 1])
_FROM_VEHICLE = np.array([[0.0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1]])
_FROM_AIRCRAFT = np.array([[0.0, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1]])
# From a world with y up, or y down, to one with z up.
_FROM_Y_UP = np.array([[1.0, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
_FROM_Y_DOWN = np.linalg.inv(_FROM_Y_UP)
# From the lidar axes x right, y forward to x forward, y left.
_FROM_Y_FORWARD = np.array([[0.0, 1, 0, 0], [-1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
# From the camera of an image turned clockwise by 90 degrees to that of the image as it was.
_QUARTER = np.array([[0.0, 1, 0, 0], [-1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
_UNITS = {'millimetres': 1000.0, 'centimetres': 100.0, 'decimetres': 10.0, 'kilometres': 0.001}


class Cause(NamedTuple):
    """A mistake that may have been made with a pose.

    Args:
        text: Its name.
        cam2ref: (4, 4), the pose without the mistake, camera to a frame with z up.
        mistakes: How many mistakes it needs.
        may_be_right: Whether a camera can really stand as the pose says.
    """

    text: str
    cam2ref: np.ndarray
    mistakes: int = 1
    may_be_right: bool = False


def camera_angles(cam2ref: np.ndarray) -> tuple[float, float]:
    """How a camera is turned in a frame whose z axis points up.

    Args:
        cam2ref: (4, 4), camera (x right, y down, z forward) to the frame.

    Returns:
        Angle of the optical axis below the horizon, and clockwise roll about the optical axis
        (-180..180; 0 if the camera looks steeply up or down, where it is not defined); degrees.
    """
    right, down, forward = np.clip(cam2ref[2, :3], -1, 1).tolist()
    tilt = -math.degrees(math.asin(forward))
    roll = 0.0 if abs(tilt) > _STEEP else math.degrees(math.atan2(-right, -down))
    return tilt, roll


def view_causes(lidar2cam: np.ndarray) -> list[Cause]:
    """What may be wrong with the axes of a (4, 4) lidar (x forward, y left, z up) to camera."""
    given = np.linalg.inv(lidar2cam)
    return [
        *_turned_image(given),
        Cause('the inverse (camera to lidar), or a transposed rotation', lidar2cam),
        Cause('OpenGL axes (y up, z backwards)', given @ _FROM_OPENGL),
        Cause('the inverse, in OpenGL axes (y up, z backwards)', lidar2cam @ _FROM_OPENGL, 2),
        Cause('camera axes x forward, y left, z up', given @ _FROM_VEHICLE.T),
        Cause('camera axes x forward, y right, z down', given @ _FROM_AIRCRAFT.T),
        Cause('lidar axes x forward, y right, z down', _FROM_OPENGL @ given, may_be_right=True),
        Cause(
            'lidar axes x right, y forward (nuScenes)', _FROM_Y_FORWARD @ given, may_be_right=True
        ),
    ]


def world_causes(cam2world: np.ndarray) -> list[Cause]:
    """What may be wrong with the axes of a (4, 4) camera to a world with z up."""
    inverse = np.linalg.inv(cam2world)
    return [
        *_turned_image(cam2world),
        Cause('OpenGL axes (camera y up, z backwards)', cam2world @ _FROM_OPENGL),
        Cause('the inverse (world to camera)', inverse),
        Cause('the inverse, in OpenGL axes (y up, z backwards)', inverse @ _FROM_OPENGL, 2),
        Cause('camera axes x forward, y left, z up', cam2world @ _FROM_VEHICLE.T),
        Cause('a world with y up', _FROM_Y_UP @ cam2world),
        Cause('a world and a camera with y up (OpenGL, Unity)',
              _FROM_Y_UP @ cam2world @ _FROM_OPENGL),
    ]  # fmt: skip


def world_of_first_camera(cam2world: np.ndarray) -> Cause:
    """A world with y down, whose floor is not at 0."""
    return Cause('a world with y down (that of a first camera)', _FROM_Y_DOWN @ cam2world)


def _turned_image(cam2ref: np.ndarray) -> list[Cause]:
    """That the camera is rolled by about 90 or 180 degrees; empty if it is not."""
    turn = round(camera_angles(cam2ref)[1] / 90) % 4
    if not turn:
        return []
    text = f'a rolled camera (turn its images clockwise by {90 * turn} degrees)'
    upright = cam2ref @ np.linalg.matrix_power(_QUARTER, turn)
    return [Cause(text, upright, may_be_right=True)]


def unit_causes(cam2ref: np.ndarray, length: float, usual: float) -> list[Cause]:
    """The units of the shift that fit best, as causes.

    Args:
        cam2ref: (4, 4), camera to a frame with z up.
        length: A length of the shift, as given.
        usual: What this length usually is, metres.
    """
    causes = []
    for unit in likely_units(length, usual):
        scaled = cam2ref.copy()
        scaled[:3, 3] /= _UNITS[unit]
        causes.append(Cause(f'a shift in {unit}', scaled))
    return causes


def likely_units(length: float, usual: float) -> list[str]:
    """The units in which a length would be nearest to what it usually is in metres.

    A second unit is returned if it fits within a factor of two as well.
    """
    if length <= 0:
        return []
    errors = {unit: abs(math.log(length / factor / usual)) for unit, factor in _UNITS.items()}
    return [unit for unit in errors if errors[unit] < min(errors.values()) + math.log(2)]


def likeliest(causes: Iterable[Cause]) -> list[Cause]:
    """The causes that need the fewest mistakes and give the most usual camera: level, not rolled.

    Angles count in steps of ten degrees; causes that fit equally well are all returned.
    """
    unlikely = []
    for cause in causes:
        tilt, roll = camera_angles(cause.cam2ref)
        unlikely.append((abs(roll) // 10 + max(0.0, -tilt) // 10 + cause.mistakes, cause))
    least = min((score for score, _ in unlikely), default=0)
    return [cause for score, cause in unlikely if score == least]


def describe_causes(causes: Iterable[Cause]) -> str:
    """``'It looks like A, B or C'``; empty if there is no cause."""
    *texts, last = [cause.text for cause in causes] or ['']
    return f'It looks like {" or ".join([", ".join(texts)] * bool(texts) + [last])}' if last else ''
