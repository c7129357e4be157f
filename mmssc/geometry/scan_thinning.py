"""Leave out points of a scan, as a sensor with fewer beams or another pattern would."""

from __future__ import annotations

import numpy as np

from mmssc.errors import DataError

__all__ = ['beam_numbers', 'rosette_mask', 'thin_beams']

# More than any lidar has.
_MOST_BEAMS = 300
# Cells of the directions that a rosette covers, radians.
_CELL = np.deg2rad(0.2)


def beam_numbers(points: np.ndarray) -> np.ndarray:
    """The beam of each point of a scan that is stored beam by beam, as KITTI's are.

    Args:
        points: (M, 3) metres, the sensor at the origin; each beam turns once from azimuth 0 on.

    Returns:
        (M,) int64, from 0 on: the upper beam first in KITTI's files.

    Raises:
        DataError: The points are stored in another order.
    """
    azimuth = np.arctan2(points[:, 1], points[:, 0]) % (2 * np.pi)
    starts = np.diff(azimuth) < -np.pi
    count = int(starts.sum()) + 1
    if count > _MOST_BEAMS or (np.diff(azimuth) > np.pi).sum() > count // 8:
        expected = 'points in the order of the beams, as in the files of KITTI'
        raise DataError('scan', 'points', expected, 'another order')
    # Cut for a scan without a point.
    return np.concatenate([[0], np.cumsum(starts)])[: len(points)]


def thin_beams(points: np.ndarray, keep: int, total: int = 64) -> np.ndarray:
    """Which points a sensor with fewer beams would see: every (total / keep)-th beam.

    Args:
        points: (M, 3), see :func:`beam_numbers`.
        keep: Number of beams to keep.
        total: Number of beams of the sensor.

    Returns:
        (M,) bool.

    Raises:
        DataError: ``total`` is no multiple of ``keep``, or see :func:`beam_numbers`.
    """
    if not 0 < keep <= total or total % keep:
        raise DataError('thin_beams', 'keep', f'a divisor of {total} beams', keep)
    step = total // keep
    return beam_numbers(points) % step == step // 2


def rosette_mask(
    points: np.ndarray, field_of_view: float = 70.4, turns: int = 300, petals: float = 3.618
) -> np.ndarray:
    """Which points lie on a rosette ahead, the pattern of a LiDAR with two turning prisms (Livox).

    The pattern is that of a short time: ``turns`` loops through the middle of a cone.

    Args:
        points: (M, 3) metres, x forward, the sensor at the origin.
        field_of_view: Whole angle of the cone, degrees.
        turns: Number of loops.
        petals: Loops per turn of the pattern around the middle. If it is not whole, the pattern
            does not repeat.

    Returns:
        (M,) bool.
    """
    radius = np.deg2rad(field_of_view) / 2
    time = np.linspace(0, np.pi * turns, 400 * turns)
    swing = radius * np.sin(time)
    side = int(np.ceil(radius / _CELL)) + 1
    covered = np.zeros((2 * side, 2 * side), bool)
    turn = time / petals
    columns, rows = swing * np.cos(turn), swing * np.sin(turn)
    covered[_cells(columns, side), _cells(rows, side)] = True
    distance = np.linalg.norm(points, axis=1).clip(1e-6)
    angle = np.arccos((points[:, 0] / distance).clip(-1, 1))
    sideways = np.hypot(points[:, 1], points[:, 2]).clip(1e-9)
    inside = angle < radius
    place = [_cells(angle * points[:, axis] / sideways, side) for axis in (1, 2)]
    return inside & covered[place[0].clip(0, 2 * side - 1), place[1].clip(0, 2 * side - 1)]


def _cells(angles: np.ndarray, side: int) -> np.ndarray:
    return np.floor(angles / _CELL).astype(np.int64) + side
