"""Checks of where a camera stands and what it sees: upright, above the floor, towards the box.

What cannot be right raises a :class:`~mmssc.errors.DataError` with the likely cause
(:mod:`.camera_causes`): an inverse pose, OpenGL axes, millimetres. What is possible but suspicious
is returned as texts, which the caller shows as warnings or notes.
"""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike

import numpy as np

from mmssc.errors import DataError, join_sentences

from .camera_causes import (
    Cause,
    camera_angles,
    describe_causes,
    likeliest,
    likely_units,
    unit_causes,
    view_causes,
    world_causes,
    world_of_first_camera,
)
from .voxel_grid import VoxelGrid

__all__ = [
    'check_road_camera', 'check_room_camera', 'drive_remarks', 'seen_share', 'share_remarks',
]  # fmt: skip

# A camera that sees less than this share of a room or a road is suspicious; on cars real ones see
# two thirds.
_SMALL_SHARE, _SMALL_ROAD_SHARE = 0.1, 0.15
_SHARE_VOXELS = 16  # per axis, to measure the share
# Metres: two sensors of a car are at most so far apart, and usually so far; a shift that is not 0
# is longer than the third.
_FARTHEST, _USUAL_SHIFT, _NEAREST = 10.0, 0.5, 0.005
# Metres: heights of a camera in a room, and the usual one.
_LOWEST, _HIGHEST, _USUAL_HEIGHT = 0.1, 20.0, 1.3
_ROLLED, _UPSIDE_DOWN, _LOOKS_UP = 45, 120, 45  # degrees
# A drive: at least this long (metres), judged by its start. Metres per frame.
_SHORTEST_DRIVE, _START_OF_DRIVE, _FASTEST, _USUAL_SPEED = 5.0, 30.0, 50.0, 1.0
_SLOWEST, _SLOW_FRAMES = 0.01, 20


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


def check_road_camera(
    lidar2cam: np.ndarray,
    projection: np.ndarray,
    grid: VoxelGrid,
    source: str | PathLike[str],
    fields: tuple[str, str] = ('lidar2cam', 'P2'),
    image_size: tuple[int, int] | None = None,
) -> list[str]:
    """Check that a camera is upright, near the lidar, and sees the box of voxels.

    Args:
        lidar2cam: (4, 4), frame of the voxels (x forward, y left, z up) to the camera (x right,
            y down, z forward), as :func:`.as_pose` returns it.
        projection: (3, 3 or 4) intrinsics in pixels, as :func:`.as_intrinsics` returns them.
        grid: The box.
        source: The file or option, for the error.
        fields: Names of the two matrices, for the error.
        image_size: (height, width) in pixels; None: the principal point is in the middle.

    Returns:
        Remarks about a camera that is rolled, looks up, is far from the lidar, or sees less than
        15 % of the box.

    Raises:
        DataError: The camera is upside down or sees nothing of the box, ``lidar2cam`` would be
            right in another convention, or the fourth column of the projection is no shift of a
            camera in metres.
    """
    field, cam2img = fields[0], projection[:, :3]
    _check_fourth_column(projection, source, fields[1])
    size = image_size or _likely_size(cam2img)

    def share_of(cam2lidar: np.ndarray) -> float:
        return seen_share(grid, np.linalg.inv(cam2lidar), cam2img, size)

    cam2lidar = np.linalg.inv(lidar2cam)
    share = share_of(cam2lidar)
    faults = _angle_faults(cam2lidar) + _shift_faults(cam2lidar)
    faults += [_share_text(share)] if share < _SMALL_ROAD_SHARE else []
    if not faults:
        return []
    causes = _road_causes(lidar2cam, share_of)
    text = describe_causes(causes)
    certain = causes and not any(cause.may_be_right for cause in causes)
    if certain or share == 0 or 'the camera is upside down' in faults:
        expected = 'lidar (x forward, y left, z up) to camera (x right, y down, z forward), metres'
        raise DataError(source, field, expected, ', '.join(faults), text)
    asked = join_sentences('is it lidar to camera, in metres?', text)
    return [f'{field}: {", ".join(faults)}: {asked}']


def _road_causes(lidar2cam: np.ndarray, share_of: Callable[[np.ndarray], float]) -> list[Cause]:
    """The likeliest causes of a wrong pose; ``share_of`` (4, 4) camera to lidar is seen_share."""
    cam2lidar = np.linalg.inv(lidar2cam)
    causes = view_causes(lidar2cam)
    if _shift_faults(cam2lidar):
        shift = float(np.linalg.norm(lidar2cam[:3, 3]))
        causes += unit_causes(cam2lidar, shift, _USUAL_SHIFT)
    share = share_of(cam2lidar)
    shares = [(share_of(cause.cam2ref), cause) for cause in causes]
    fitting = likeliest(
        cause
        for seen, cause in shares
        if seen >= max(_SMALL_ROAD_SHARE, share * (0.5 if cause.may_be_right else 2))
        and not _angle_faults(cause.cam2ref) + _shift_faults(cause.cam2ref)
    )
    most = max((share_of(cause.cam2ref) for cause in fitting), default=0.0)
    return [cause for cause in fitting if share_of(cause.cam2ref) > most / 2]


def _likely_size(cam2img: np.ndarray) -> tuple[int, int]:
    """(height, width) of the image of a camera: the principal point is in the middle.

    If it is at the corner or outside, the image is a crop: about as large as the focal length.
    """
    (fx, cx), (fy, cy) = cam2img[0, [0, 2]].tolist(), cam2img[1, [1, 2]].tolist()
    height, width = (2 * c if c > f / 50 else f for f, c in ((fy, cy), (fx, cx)))
    return round(height) + 1, round(width) + 1


def _shift_faults(cam2lidar: np.ndarray) -> list[str]:
    distance = float(np.linalg.norm(cam2lidar[:3, 3]))
    if 1e-6 < distance < _NEAREST:
        return [f'the camera is {1000 * distance:.2g} mm from the lidar']
    return [f'the camera is {distance:.4g} m from the lidar'] if distance > _FARTHEST else []


def _check_fourth_column(projection: np.ndarray, source: str | PathLike[str], field: str) -> None:
    if projection.shape[1] == 4:
        shift = float(np.linalg.norm(np.linalg.solve(projection[:, :3], projection[:, 3])))
        if shift > _FARTHEST:
            expected = f'a fourth column for a shift below {_FARTHEST:g} m'
            hint = 'Its unit is pixels times metres, not millimetres'
            raise DataError(source, field, expected, f'{shift:.4g} m', hint)


def check_room_camera(
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

    def faults_of(pose: np.ndarray) -> list[str]:
        return _angle_faults(pose) + (_height_faults(pose) if has_floor else [])

    faults = faults_of(cam2world)
    if not faults:
        return []
    causes = world_causes(cam2world)
    if has_floor:
        causes += unit_causes(cam2world, abs(cam2world[2, 3]), _USUAL_HEIGHT)
    causes = [cause for cause in causes if not faults_of(cause.cam2ref)]
    first = world_of_first_camera(cam2world)
    # The floor of such a world is not at 0, so the height says nothing.
    if _angle_faults(cam2world) and not _angle_faults(first.cam2ref):
        causes.append(first)
    text = describe_causes(likeliest(causes))
    if 'the camera is upside down' in faults or (has_floor and not 0 < cam2world[2, 3] <= _HIGHEST):
        expected = 'camera (x right, y down, z forward) to a world with z up'
        expected += ' and the floor at 0, metres' if has_floor else ''
        hint = text or 'Is z of the world up, and is the image upright?'
        raise DataError(source, field, expected, ', '.join(faults), hint)
    asked = join_sentences('is z of the world up?', text)
    return [f'{field}: {", ".join(faults)}: {asked}']


def _height_faults(cam2world: np.ndarray) -> list[str]:
    height = float(cam2world[2, 3])
    if _LOWEST < height <= _HIGHEST:
        return []
    return [f'the camera is {abs(height):.2f} m {"above" if height > 0 else "below"} the floor']


def drive_remarks(lidar_poses: np.ndarray, frames: np.ndarray) -> list[str]:
    """What is suspicious about the poses of a drive, as texts.

    A car drives forwards. Poses that are inverse or have other axes make it drive backwards or
    sideways; a car that stands still shows nothing.

    Args:
        lidar_poses: (N, 4, 4), lidar (x forward, y left, z up) to the world, metres.
        frames: (N,) frame number of each pose.
    """
    if len(lidar_poses) > 1 and np.allclose(lidar_poses, lidar_poses[0], rtol=0, atol=1e-9):
        return ['poses: all are equal: the car never moves, so temporal models get no motion']
    motion = np.linalg.inv(lidar_poses[:-1]) @ lidar_poses[1:]
    length = np.linalg.norm(motion[:, :3, 3], axis=1)
    path = np.cumsum(length)
    if len(path) == 0:
        return []
    speed = float(np.median(length / np.diff(frames)))
    end = float(np.linalg.norm(lidar_poses[-1, :3, 3] - lidar_poses[0, :3, 3]))
    if len(path) >= _SLOW_FRAMES and 0 < speed < _SLOWEST and end > 0.5 * path[-1]:
        # A car that stands still trembles: it gets nowhere.
        return [f'poses: the car moves {1000 * speed:.2g} mm per frame: are they in kilometres?']
    if path[-1] < _SHORTEST_DRIVE:
        return []
    if speed > _FASTEST:
        unit = ' or '.join(likely_units(speed, _USUAL_SPEED))
        return [f'poses: the car moves {speed:.0f} m per frame: are they in {unit}, not metres?']
    start = path <= max(_START_OF_DRIVE, path[0])
    forward = float(motion[start, 0, 3].sum() / length[start].sum())
    if forward > 0.5:
        return []
    way = 'backwards' if forward < -0.5 else 'sideways'
    return [
        f'poses: the car starts {way}: are they the inverse (world to camera), or in other axes?'
    ]
