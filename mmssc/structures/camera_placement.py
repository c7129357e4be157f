"""Checks of where a camera stands and what it sees: upright, above the floor, towards the box.

What cannot be right raises a :class:`~mmssc.errors.DataError` with the likely cause: an inverse
pose, OpenGL axes, millimetres. What is possible but suspicious is returned as texts, which the
caller shows as warnings or notes.
"""

from __future__ import annotations

import math
from os import PathLike

import numpy as np

from mmssc.errors import DataError

from .voxel_grid import VoxelGrid

__all__ = [
    'camera_angles', 'check_stand', 'check_view', 'drive_remarks', 'seen_share', 'share_remarks',
]  # fmt: skip

# A camera that sees less than this share of the box is suspicious; real ones see a third or more.
_SMALL_SHARE = 0.1
_SHARE_VOXELS = 16  # per axis, to measure the share
# Two sensors of a car are closer together than this, and a camera is lower (metres).
_FARTHEST, _LOWEST, _HIGHEST = 10.0, 0.1, 20.0
_ROLLED, _UPSIDE_DOWN, _LOOKS_UP, _STEEP = 45, 120, 45, 75  # degrees
# Other camera axes to ours (x right, y down, z forward): OpenGL's (x right, y up, z backwards) and
# a vehicle's (x forward, y left, z up).
_FROM_OPENGL = np.diag([1.0, -1, -1, 1])
_FROM_VEHICLE = np.array([[0.0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1]])
# A drive: at least this long (metres), judged by its start.
_SHORTEST_DRIVE, _START_OF_DRIVE, _FASTEST = 5.0, 30.0, 50.0


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


def _angle_faults(cam2ref: np.ndarray) -> list[str]:
    tilt, roll = camera_angles(cam2ref)
    faults = []
    if abs(roll) > _UPSIDE_DOWN:
        faults.append('the camera is upside down')
    elif abs(roll) > _ROLLED:
        faults.append(f'the camera is rolled by {abs(roll):.0f} degrees')
    if tilt < -_LOOKS_UP:
        faults.append(f'the camera looks up by {-tilt:.0f} degrees')
    return faults


def seen_share(
    grid: VoxelGrid, ref2cam: np.ndarray, cam2img: np.ndarray, image_size: tuple[int, int]
) -> float:
    """Share of a box that a camera sees, 0..1, from 16 x 16 x 16 points in it.

    Args:
        grid: The box.
        ref2cam: (4, 4), frame of the grid to the camera (x right, y down, z forward).
        cam2img: (3, 3) intrinsics in pixels.
        image_size: (height, width) in pixels.
    """
    steps = (np.arange(_SHARE_VOXELS) + 0.5) / _SHARE_VOXELS
    bounds = dict(zip(grid.axes, zip(grid.origin, grid.upper)))
    sides = [bounds[axis][0] + steps * (bounds[axis][1] - bounds[axis][0]) for axis in 'xyz']
    points = np.stack(np.meshgrid(*sides, indexing='ij'), -1).reshape(-1, 3)
    camera = points @ ref2cam[:3, :3].T + ref2cam[:3, 3]
    camera = camera[camera[:, 2] > 0]
    image = camera @ cam2img.T
    pixels = image[:, :2] / image[:, 2:]
    size = image_size[1], image_size[0]
    return float(((pixels > -0.5) & (pixels < np.subtract(size, 0.5))).all(1).sum() / len(points))


def share_remarks(
    grid: VoxelGrid, ref2cam: np.ndarray, cam2img: np.ndarray, image_size: tuple[int, int]
) -> list[str]:
    """Say if a camera sees less than a tenth of a box; arguments as :func:`seen_share`."""
    share = seen_share(grid, ref2cam, cam2img, image_size)
    return [_share_text(share)] if share < _SMALL_SHARE else []


def _share_text(share: float) -> str:
    return f'the camera sees {share:.1%} of the box of voxels'


def check_view(
    lidar2cam: np.ndarray,
    projection: np.ndarray,
    grid: VoxelGrid,
    source: str | PathLike[str],
    fields: tuple[str, str] = ('lidar2cam', 'P2'),
    image_size: tuple[int, int] | None = None,
) -> list[str]:
    """Check that a camera is upright and sees the box of voxels.

    Args:
        lidar2cam: (4, 4), frame of the voxels (x forward, y left, z up) to the camera (x right,
            y down, z forward), as :func:`.as_pose` returns it.
        projection: (3, 3 or 4) intrinsics in pixels, as :func:`.as_intrinsics` returns them.
        grid: The box.
        source: The file or option, for the error.
        fields: Names of the two matrices, for the error.
        image_size: (height, width) in pixels; None: the principal point is in the middle.

    Returns:
        Remarks about a camera that is rolled, looks up, or sees less than a tenth of the box.

    Raises:
        DataError: The camera is upside down or sees nothing of the box, ``lidar2cam`` would be
            right in another convention, or the fourth column of the projection is no shift of a
            camera in metres.
    """
    field, cam2img = fields[0], projection[:, :3]
    _check_fourth_column(projection, source, fields[1])
    size = image_size or (round(2 * cam2img[1, 2]) + 1, round(2 * cam2img[0, 2]) + 1)

    def faults_of(pose: np.ndarray, least: float) -> list[str]:
        share = seen_share(grid, pose, cam2img, size)
        small = [_share_text(share)] if share < least else []
        return _angle_faults(np.linalg.inv(pose)) + small

    faults = faults_of(lidar2cam, _SMALL_SHARE)
    if not faults:
        return []
    share = seen_share(grid, lidar2cam, cam2img, size)
    inverse = np.linalg.inv(lidar2cam)
    likely = {
        'the inverse (camera to lidar), or a transposed rotation': inverse,
        'OpenGL axes (y up, z backwards)': _FROM_OPENGL @ lidar2cam,
        'the inverse, in OpenGL axes (y up, z backwards)': _FROM_OPENGL @ inverse,
        'camera axes x forward, y left, z up': _FROM_VEHICLE @ lidar2cam,
    }
    if np.linalg.norm(lidar2cam[:3, 3]) > _FARTHEST:
        likely['a shift in millimetres'] = _in_metres(lidar2cam)
    right = {
        text: np.linalg.inv(pose)
        for text, pose in likely.items()
        if not faults_of(pose, max(_SMALL_SHARE, 2 * share))
    }
    cause = _most_level(right)
    if cause or share == 0 or 'the camera is upside down' in faults:
        expected = 'lidar (x forward, y left, z up) to camera (x right, y down, z forward), metres'
        raise DataError(source, field, expected, ', '.join(faults), cause)
    return [f'{field}: {fault}: is it lidar to camera, in metres?' for fault in faults]


def _check_fourth_column(projection: np.ndarray, source: str | PathLike[str], field: str) -> None:
    if projection.shape[1] == 4:
        shift = float(np.linalg.norm(np.linalg.solve(projection[:, :3], projection[:, 3])))
        if shift > _FARTHEST:
            expected = f'a fourth column for a shift below {_FARTHEST:g} m'
            hint = 'Its unit is pixels times metres, not millimetres'
            raise DataError(source, field, expected, f'{shift:.4g} m', hint)


def check_stand(
    cam2world: np.ndarray, source: str | PathLike[str], field: str, has_floor: bool = True
) -> list[str]:
    """Check that a camera is upright and above the floor of a level world.

    Args:
        cam2world: (4, 4), camera (x right, y down, z forward) to a world with z up, as
            :func:`.as_pose` returns it.
        source: The file or option, for the error.
        field: Name of the pose, for the error.
        has_floor: Whether the floor of the world is z = 0.

    Returns:
        Remarks about a camera that is rolled, looks up, or is lower than 0.1 m.

    Raises:
        DataError: The camera is upside down, below the floor, or more than 20 m above it.
    """

    def stand_faults(pose: np.ndarray) -> list[str]:
        height = float(pose[2, 3])
        if not has_floor or _LOWEST < height <= _HIGHEST:
            return []
        side = 'above' if height > 0 else 'below'
        return [f'the camera is {abs(height):.2f} m {side} the floor']

    faults = _angle_faults(cam2world) + stand_faults(cam2world)
    impossible = abs(camera_angles(cam2world)[1]) > _UPSIDE_DOWN
    impossible |= has_floor and not 0 < cam2world[2, 3] <= _HIGHEST
    inverse = np.linalg.inv(cam2world)
    likely = {
        'OpenGL axes (camera y up, z backwards)': cam2world @ _FROM_OPENGL,
        'the inverse (world to camera)': inverse,
        'the inverse, in OpenGL axes (y up, z backwards)': inverse @ _FROM_OPENGL,
        'a shift in millimetres': _in_metres(cam2world),
    }
    right = {
        text: pose for text, pose in likely.items() if not _angle_faults(pose) + stand_faults(pose)
    }
    cause = _most_level(right)
    if impossible:
        expected = 'camera (x right, y down, z forward) to a world with z up'
        expected += ' and the floor at 0, metres' if has_floor else ''
        hint = cause or 'Is z of the world up, and is the image upright?'
        raise DataError(source, field, expected, ', '.join(faults), hint)
    return [f'{field}: {fault}: is z of the world up? {cause or ""}'.rstrip() for fault in faults]


def _most_level(explanations: dict[str, np.ndarray]) -> str | None:
    """The causes whose corrected pose (camera to frame) is rolled least, within ten degrees."""
    rolls = {cause: abs(camera_angles(pose)[1]) // 10 for cause, pose in explanations.items()}
    causes = [cause for cause, roll in rolls.items() if roll == min(rolls.values())]
    return f'It looks like {" or ".join(causes)}' if causes else None


def _in_metres(pose: np.ndarray) -> np.ndarray:
    scaled = pose.copy()
    scaled[:3, 3] /= 1000
    return scaled


def drive_remarks(lidar_poses: np.ndarray, frames: np.ndarray) -> list[str]:
    """What is suspicious about the poses of a drive, as texts.

    A car drives forwards. Poses that are inverse or have other axes make it drive backwards or
    sideways; a car that stands still shows nothing.

    Args:
        lidar_poses: (N, 4, 4), lidar (x forward, y left, z up) to the world, metres.
        frames: (N,) frame number of each pose.
    """
    motion = np.linalg.inv(lidar_poses[:-1]) @ lidar_poses[1:]
    length = np.linalg.norm(motion[:, :3, 3], axis=1)
    path = np.cumsum(length)
    if len(path) == 0 or path[-1] < _SHORTEST_DRIVE:
        return []
    speed = float(np.median(length / np.diff(frames)))
    if speed > _FASTEST:
        return [f'poses: the car moves {speed:.0f} m per frame: are they in metres?']
    start = path <= max(_START_OF_DRIVE, path[0])
    forward = float(motion[start, 0, 3].sum() / length[start].sum())
    if forward > 0.5:
        return []
    way = 'backwards' if forward < -0.5 else 'sideways'
    return [
        f'poses: the car starts {way}: are they the inverse (world to camera), or in other axes?'
    ]
