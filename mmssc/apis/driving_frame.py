"""Read and check what a caller gives for one frame of a drive: files or arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from typing import Any

import numpy as np
from mmengine.config import Config

from mmssc.config_places import place_of_part
from mmssc.datasets.transforms import LoadScanDepth, ReadingTransform
from mmssc.datasets.transforms.load_driving import lift_depth, merge_clouds
from mmssc.errors import DataError
from mmssc.formats.images import check_upright
from mmssc.formats.kitti import read_depth
from mmssc.formats.scan_points import scale_intensity
from mmssc.formats.scans import read_scan_file
from mmssc.structures.camera_checks import as_pose

from .base_inferencer import read_image
from .image_depth import EstimatedDepth
from .model_loading import dataset_config_of

__all__ = [
    'depth_of_frames', 'points_of_frames', 'read_frame_depth', 'read_frame_points', 'read_motion',
    'read_right_image', 'source_of',
]  # fmt: skip


def source_of(value: Any) -> str | None:
    """The file of an image or a depth map; None for an array."""
    return fspath(value) if isinstance(value, (str, PathLike)) else None


def read_right_image(value: Any, left: str | None, name: str) -> np.ndarray:
    """The right image of a rectified pair, (H, W, 3) uint8 RGB.

    Args:
        value: File or array.
        left: File of the left image, None for an array.
        name: The frame, for errors.

    Raises:
        DataError: It cannot be read, or one of the two files turns when it is read.
    """
    for path in filter(None, (left, source_of(value))):
        check_upright(path, 'two rectified images lie side by side')
    return read_image(value, f'{name}, right image')


def read_frame_depth(value: Any, size: tuple[int, int], name: str) -> np.ndarray | EstimatedDepth:
    """Depth (H, W) float32 in metres, 0 = none, that a caller gives as a file or an array.

    What an array masks is no depth.

    Raises:
        DataError: It is wrong, or has another size than the image.
    """
    if isinstance(value, EstimatedDepth):
        return value
    if isinstance(value, (str, PathLike)):
        name, depth = fspath(value), read_depth(value)
    else:
        depth = np.asarray(np.ma.filled(value, 0), dtype=np.float32)
    if depth.shape != size:
        raise DataError(name, 'depth size', f'{size} as the image', depth.shape)
    if not np.isfinite(depth).all() or (depth < 0).any():
        raise DataError(name, 'depth', 'finite metres, 0 = none', 'NaN, infinity or negative')
    return depth


def read_frame_points(
    value: Any, name: str, with_reflectance: bool
) -> tuple[np.ndarray, np.ndarray | None]:
    """Points that a caller gives as a file (see :func:`read_scan_file`) or an array.

    Args:
        value: File or (M, 3 or more) numbers; a fourth column is the intensity.
        name: The frame, for errors.
        with_reflectance: Whether the model reads it.

    Returns:
        (M, 3) float32 metres, and (M,) float32 reflectance of 0..1 or None.

    Raises:
        DataError: They are wrong.
    """
    if isinstance(value, (str, PathLike)):
        scan = read_scan_file(value)
        return scan.points, scan.reflectance if with_reflectance else None
    points = np.asarray(value, dtype=np.float32)
    if points.ndim != 2 or points.shape[1] < 3 or not np.isfinite(points).all():
        raise DataError(name, 'points', '(M, 3) finite metres', f'{points.dtype} {points.shape}')
    if not with_reflectance or points.shape[1] == 3:
        return points[:, :3], None
    return points[:, :3], scale_intensity(points[:, 3], name)


def depth_of_frames(
    frames: Sequence[dict[str, Any]],
    projection: np.ndarray,
    lidar2cam: np.ndarray,
    readings: Sequence[ReadingTransform],
    cfg: Config,
) -> list[np.ndarray]:
    """The depth map of each frame, (H, W) float32; that of points where a frame has only these.

    Args:
        frames: With ``img``, ``depth`` and ``points``; ``depth`` is filled in.
        projection: (3, 4) pixels.
        lidar2cam: (4, 4), frame of the voxels to the camera.
        readings: The reading transforms of the config. One of them reads depth; only
            ``LoadScanDepth`` projects scans.
        cfg: The config.

    Raises:
        DataError: A frame has only points, and there is no such transform, or no point is in the
            image.
    """
    reading = next(one for one in readings if 'depth' in one.inputs)
    for frame in frames:
        if frame['depth'] is not None:
            continue
        if not isinstance(reading, LoadScanDepth):
            expected, hint = 'a depth map: this model takes no points', _use_scans(cfg, reading)
            raise DataError(frame['frame_id'], 'depth', expected, 'points', hint)
        size = frame['img'].shape[:2]
        camera = lidar2cam, projection, size
        frame['depth'] = reading.project(frame['points'], *camera, frame['frame_id'])
    return [frame['depth'] for frame in frames]


def _use_scans(cfg: Config, reading: ReadingTransform) -> str:
    """How a config can project scans instead of reading depth maps."""
    kind = type(reading).__name__
    place = place_of_part(cfg, dataset_config_of(cfg), kind)
    option = f': --cfg-options {place}.type=LoadScanDepth' if place else ''
    return f'To project a scan, put LoadScanDepth in the place of {kind}{option}'


def points_of_frames(
    frames: Sequence[Mapping[str, Any]],
    motions: Sequence[np.ndarray],
    projection: np.ndarray,
    lidar2cam: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """The points of all frames in the current one, (M, 3), and their reflectance (M,), 0 = none.

    Args:
        frames: With ``frame_id``, ``depth``, ``points`` and ``reflectance``.
        motions: (4, 4) of each frame, to the current one.
        projection: (3, 4) pixels.
        lidar2cam: (4, 4), frame of the voxels to the camera.
    """
    clouds: dict[str, np.ndarray] = {}
    for frame in frames:
        # Lift a repeated frame only once.
        if frame['frame_id'] not in clouds:
            points = frame['points']
            if points is None:
                points = lift_depth(frame['depth'], projection, lidar2cam)
            clouds[frame['frame_id']] = points
    reflectance = [
        np.zeros(len(clouds[frame['frame_id']]), np.float32)
        if frame['reflectance'] is None else frame['reflectance']
        for frame in frames
    ]  # fmt: skip
    merged = merge_clouds([clouds[frame['frame_id']] for frame in frames], motions)
    return merged, np.concatenate(reflectance)


def read_motion(matrix: Any, field: str, name: str) -> np.ndarray:
    """``frame2ref`` (4, 4) float64 of an earlier frame.

    Raises:
        DataError: It is missing, or no rotation and shift.
    """
    if matrix is None:
        raise DataError(name, field, '(4, 4), its voxel frame to the current one', 'none')
    return as_pose(matrix, name, field)
