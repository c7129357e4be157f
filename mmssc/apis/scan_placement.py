"""Turn and lift the scan of any sensor to where the sensor of the training data was."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np

from mmssc.errors import DataError
from mmssc.geometry import find_scan_ground
from mmssc.structures import VoxelGrid
from mmssc.structures.camera_checks import as_pose

__all__ = ['ScanPlacement', 'place_scan']

# Real streets below a level sensor are tilted by up to 3 degrees.
_LEVEL = np.cos(np.deg2rad(5.0))
# A height that was found is rounded to this, so that scans in a row do not jitter.
_ROUNDED = 0.05
_HIGHEST = 100.0
_NO_GROUND = (
    'no clear ground in the scan, which stays at its height (sensor_height=, --sensor-height)'
)
# Another axis that can be up in a scan; what the scan is then, and roll, pitch and yaw for it.
_OTHER_WAYS_UP = (
    ((0, 0, -1), 'upside down', '180 0 0'),
    ((0, -1, 0), 'in camera axes (y down)', '-90 0 -90'),
    ((0, 1, 0), 'in axes with y up', '90 0 -90'),
)
_ENOUGH_POINTS = 20_000
_LEVELLED = 'the ground is tilted by more than 5 degrees: the scan is levelled (rotation=, '
_LEVELLED += '--sensor-rotation)'


@dataclass(frozen=True)
class ScanPlacement:
    """Where a scan goes.

    Args:
        scan2grid: (4, 4) float64, frame of the scan to that of the voxels.
        height: Of the sensor above the ground, metres; None: not known.
        is_found: Whether the height was found in the scan.
        remarks: What a user should know; the same texts for each scan.
    """

    scan2grid: np.ndarray
    height: float | None
    is_found: bool
    remarks: tuple[str, ...]

    @property
    def sensor(self) -> tuple[float, float, float]:
        """Position of the sensor in the frame of the voxels, metres."""
        x, y, z = self.scan2grid[:3, 3].tolist()
        return x, y, z


def place_scan(
    points: np.ndarray,
    grid: VoxelGrid,
    trained_height: float | None,
    sensor_height: float | None,
    rotation: Any,
    source: str | PathLike[str],
) -> ScanPlacement:
    """Find the motion that brings a scan to the box of a model.

    Args:
        points: (M, 3) metres, the sensor at the origin.
        grid: The box.
        trained_height: Height of the sensor in the training data, metres; None: not known.
        sensor_height: Height of this sensor; None searches the ground.
        rotation: (3, 3), axes of the scan to x forward, y left, z up; None levels a tilted scan.
        source: The scan, for errors.

    Raises:
        DataError: ``rotation`` is no rotation, ``sensor_height`` is no height, or it is given
            although ``trained_height`` is not known.
    """
    turn = _as_rotation(rotation, source)
    if sensor_height is not None:
        _check_height(sensor_height, trained_height, source)
    ground = None
    if rotation is None or (sensor_height is None and trained_height is not None):
        ground = find_scan_ground(points @ turn.T)
    remarks = []
    if rotation is None and ground is not None and ground.up[2] < _LEVEL:
        turn = _levelling(ground.up)
        remarks.append(_LEVELLED)
    shift, is_found = 0.0, sensor_height is None and ground is not None
    if sensor_height is not None and trained_height is not None:
        shift = sensor_height - trained_height
    elif trained_height is not None and ground is not None:
        sensor_height = round(ground.height / _ROUNDED) * _ROUNDED
        shift = sensor_height - trained_height
        # The height differs so much between frames of one drive.
        if abs(shift) < grid.voxel_size[grid.axes.index('z')]:
            shift = 0.0
    elif trained_height is not None:
        remarks.append(_NO_GROUND + (_find_other_up(points) if rotation is None else ''))
    scan2grid = np.eye(4)
    scan2grid[:3, :3], scan2grid[2, 3] = turn, shift
    return ScanPlacement(scan2grid, sensor_height, is_found, tuple(remarks))


def _as_rotation(rotation: Any, source: str | PathLike[str]) -> np.ndarray:
    if rotation is None:
        return np.eye(3)
    matrix = np.asarray(rotation, np.float64)
    if matrix.shape != (3, 3):
        raise DataError(source, 'rotation', 'shape (3, 3)', matrix.shape)
    return as_pose(np.pad(matrix, ((0, 0), (0, 1))), source, 'rotation')[:3, :3]


def _check_height(height: float, trained_height: float | None, source: str | PathLike[str]) -> None:
    if not 0 < height <= _HIGHEST:
        expected = f'metres above the ground, more than 0, at most {_HIGHEST:g}'
        raise DataError(source, 'sensor_height', expected, height)
    if trained_height is None:
        raise DataError(
            source, 'sensor_height', 'none: the data set does not say how high its sensor was',
            height, 'Leave it out, or say it (cfg_options=, --cfg-options): '
            'test_dataloader.dataset.metainfo.sensor_height=METRES',
        )  # fmt: skip


def _find_other_up(points: np.ndarray) -> str:
    """A hint about a scan that has a clear ground only with another axis up; else nothing."""
    some = points[:: max(1, len(points) // _ENOUGH_POINTS)]
    best, hint = 0.0, ''
    for up, kind, angles in _OTHER_WAYS_UP:
        # Any turn with this axis up: rows are the new x, y, z in the old axes.
        ahead = np.roll(up, 1)
        ground = find_scan_ground(some @ np.array([ahead, np.cross(up, ahead), up]).T)
        # A wall can be taken for the ground, too, but is rarely the larger plane.
        if ground is not None and ground.share > best:
            best = ground.share
            hint = f'; it has one if it is {kind}: rotation=, --sensor-rotation {angles}'
    return hint


def _levelling(up: np.ndarray) -> np.ndarray:
    """The smallest turn (3, 3) that brings a unit vector to z."""
    x, y, z = up
    return np.array([
        [1 - x * x / (1 + z), -x * y / (1 + z), -x],
        [-x * y / (1 + z), 1 - y * y / (1 + z), -y],
        [x, y, z],
    ])  # fmt: skip
