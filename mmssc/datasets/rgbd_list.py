"""The info list of an RGB-D data set: the frames of a split and the paths of their files.

Plain JSON with path templates, so a tree can have any layout. Paths are relative to the data root,
so that it can be moved; files outside of it have absolute paths::

    {"metainfo": {"dataset": "NYU", "split": "train", "format_version": 1,
                  "voxel_grid": {"voxel_size": .., "shape": .., "axes": .., ..},
                  "image_size": [480, 640], "fine_factor": 4,
                  "cameras": {"nyu": [fx, fy, cx, cy], "nyucad": [..]},
                  "files": {"nyu": {"tsdf": {"path": "TSDF/{frame_id}.npz",
                                             "format": "torchssc_tsdf"}, ..},
                            "nyucad": {..}, "shared": {"img": {..}}}},
     "data_list": [{"frame_id": "0003", "missing": ["shared/img"],
                    "origin": [x, y, z], "cam2world": 4x4}, ..]}

``fine_factor`` (optional): voxels of the fine TSDF along the edge of a voxel of the grid.
``rotate`` (optional): how far the images must be turned clockwise to be upright, degrees; cameras,
poses and pixels are those of the stored images. ``cropped_images`` (optional): true if the images
are cut out of larger ones, so that the principal point can be anywhere.
``files``: source -> key -> file, see :mod:`mmssc.formats.rgbd_frame`; files of all sources are
under ``shared``. ``missing`` lists missing files of a frame. ``origin`` (of the voxel grid, in the
order of its axes, metres) and ``cam2world`` are optional: the published files of NYU do not have
them.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from typing import Any

import numpy as np
import torch

from mmssc.errors import DataError, join_sentences
from mmssc.fileio import atomic_write
from mmssc.formats.json_fields import (
    MAX_LIST_BYTES,
    number_array,
    read_json,
    require_array,
    require_field,
)
from mmssc.formats.matrices import camera_matrix
from mmssc.formats.rgbd_format import FINE_FACTOR
from mmssc.formats.rgbd_frame import FORMATS
from mmssc.geometry import turn_camera
from mmssc.structures import VoxelGrid
from mmssc.structures.camera_checks import as_intrinsics, as_pose, check_image_size
from mmssc.structures.camera_placement import check_room_camera, share_remarks

__all__ = [
    'FRAME_NAME', 'RGBD_LIST_VERSION', 'Frame', 'FrameFile', 'RGBDList', 'SHARED',
    'frames_in_several', 'is_frame_name', 'read_rgbd_list', 'write_rgbd_list',
]  # fmt: skip

RGBD_LIST_VERSION = 1
#: Source of files that do not depend on the depth image of a frame.
SHARED = 'shared'
# Remarks about poses that are shown; the others are counted.
_REMARKS = 5
# Names become file names: no folders, no hidden files, no control characters.
_UNSAFE = re.compile(r'[/\\{}:*?"<>|]|^[.\s]|[.\s]$')
FRAME_NAME = (
    'a name of printable characters (UTF-8) without / \\ { } : * ? " < > | that does not begin or '
    'end with a dot or blank'
)


@dataclass(frozen=True)
class FrameFile:
    """The file of one key, for all frames.

    Args:
        path: Template with ``{frame_id}``, relative to the data root or absolute.
        format: Name in :data:`mmssc.formats.rgbd_frame.FORMATS`.

    Raises:
        DataError: The template has no ``{frame_id}``.
    """

    path: str
    format: str

    def __post_init__(self) -> None:
        # Otherwise all frames would silently read the same file.
        if '{frame_id}' not in self.path:
            raise DataError('files', 'path', 'a path with {frame_id}', repr(self.path))

    def of(self, frame_id: str) -> str:
        """Path of one frame's file."""
        return self.path.replace('{frame_id}', frame_id)


@dataclass(frozen=True)
class Frame:
    """One frame of a split.

    Args:
        frame_id: Name in file names.
        missing: ``source/key`` of missing files.
        origin: (3,) metres, origin of its voxel grid in the order of the grid's axes.
        cam2world: (4, 4), camera to the frame of the grid.
    """

    frame_id: str
    missing: frozenset[str] = frozenset()
    origin: tuple[float, float, float] | None = None
    cam2world: np.ndarray | None = field(default=None, compare=False)


@dataclass(frozen=True)
class RGBDList:
    """Content of an info list; arguments as in the module's description."""

    dataset: str
    split: str
    voxel_grid: VoxelGrid
    image_size: tuple[int, int]
    cameras: Mapping[str, tuple[float, float, float, float]]
    files: Mapping[str, Mapping[str, FrameFile]]
    frames: Sequence[Frame]
    fine_factor: int = FINE_FACTOR
    rotate: int = 0
    cropped_images: bool = False

    def upright_pose(self, frame: Frame) -> np.ndarray:
        """(4, 4) float64 camera to world of the upright image of a frame that has a pose."""
        return _upright(frame.cam2world, self.rotate)

    def grid_of(self, frame: Frame) -> VoxelGrid:
        """The grid of the list, at the origin of the frame."""
        origin = frame.origin
        return self.voxel_grid if origin is None else replace(self.voxel_grid, origin=origin)

    def pose_remarks(
        self,
        file: str | PathLike[str],
        source: str,
        has_floor: bool,
        at_most: int | None = None,
    ) -> list[str]:
        """What is suspicious about the poses: the first remarks, and how many more there are.

        Args:
            file: The list, for errors.
            source: The source whose camera sees the frames.
            has_floor: Whether the floor of the world is z = 0.
            at_most: Look at so many frames, evenly spaced over the list (a frame takes about a
                millisecond); None: at all.

        Raises:
            DataError: A pose cannot be right.
        """
        remarks = []
        posed = [frame for frame in self.frames if frame.cam2world is not None]
        if at_most is not None and at_most < len(posed):
            posed = [posed[n * len(posed) // at_most] for n in range(at_most)]
        for frame in posed:
            upright, name = self.upright_pose(frame), f'pose of {frame.frame_id}'
            remarks += check_room_camera(upright, file, name, has_floor)
            if source in self.cameras:
                world2cam = np.linalg.inv(np.asarray(frame.cam2world, np.float64))
                matrix = camera_matrix(self.cameras[source])
                found = share_remarks(self.grid_of(frame), world2cam, matrix, self.image_size)
                remarks += [f'{frame.frame_id}: {remark}' for remark in found]
        more = len(remarks) - _REMARKS
        return remarks[:_REMARKS] + ([f'{more} more remarks'] if more > 0 else [])

    def camera_remarks(self, file: str | PathLike[str], source: str) -> list[str]:
        """What is suspicious about the intrinsics of a source."""
        if self.cropped_images or source not in self.cameras:
            return []
        field, matrix = f'metainfo.cameras.{source}', camera_matrix(self.cameras[source])
        remarks = check_image_size(matrix, self.image_size, file, field)
        return [f'{field}: {remark}' for remark in remarks]


def _upright(cam2world: Any, rotate: int) -> np.ndarray:
    _, turn = turn_camera(torch.eye(3), (1, 1), rotate)
    return np.asarray(cam2world, np.float64) @ turn.numpy().T


def frames_in_several(lists: Iterable[RGBDList]) -> list[str]:
    """Names of frames that more than one list has, sorted."""
    counts = Counter(frame.frame_id for one in lists for frame in one.frames)
    return sorted(name for name, count in counts.items() if count > 1)


def is_frame_name(name: str) -> bool:
    """Whether a frame can have this name, see :data:`FRAME_NAME`."""
    return bool(name) and name.isprintable() and not _UNSAFE.search(name)


def read_rgbd_list(path: str | PathLike[str], hint: str | None = None) -> RGBDList:
    """Read and check an info list.

    Args:
        path: The file.
        hint: What to do if it is missing or damaged.

    Raises:
        DataError: The file is missing, is not JSON, or has a wrong or missing value.
    """
    try:
        return _parse(read_json(path, MAX_LIST_BYTES), str(path))
    except DataError as error:
        hint = join_sentences(error.hint or '', hint or '') or None
        raise DataError(error.file, error.field, error.expected, error.found, hint) from error


def write_rgbd_list(path: str | PathLike[str], frames: RGBDList) -> None:
    """Write an info list, atomically; :func:`read_rgbd_list` returns the same.

    Raises:
        DataError: :func:`read_rgbd_list` would refuse the content; nothing is written.
    """
    metainfo = dict(
        dataset=frames.dataset,
        split=frames.split,
        format_version=RGBD_LIST_VERSION,
        voxel_grid=frames.voxel_grid.to_dict(),
        image_size=list(frames.image_size),
        fine_factor=frames.fine_factor,
        **(dict(rotate=frames.rotate) if frames.rotate else {}),
        **(dict(cropped_images=True) if frames.cropped_images else {}),
        cameras={source: list(camera) for source, camera in frames.cameras.items()},
        files={
            source: {key: dict(path=file.path, format=file.format) for key, file in keys.items()}
            for source, keys in frames.files.items()
        },
    )
    plain = dict(metainfo=metainfo, data_list=[_plain_frame(frame) for frame in frames.frames])
    _parse(plain, str(path))
    with atomic_write(path, 'w') as file:
        json.dump(plain, file, allow_nan=False)
        file.write('\n')


def _plain_frame(frame: Frame) -> dict[str, Any]:
    plain: dict[str, Any] = dict(frame_id=frame.frame_id)
    if frame.missing:
        plain['missing'] = sorted(frame.missing)
    if frame.origin is not None:
        plain['origin'] = [float(value) for value in frame.origin]
    if frame.cam2world is not None:
        plain['cam2world'] = np.asarray(frame.cam2world, np.float64).tolist()
    return plain


def _parse(raw: Any, file: str) -> RGBDList:
    metainfo = require_field(raw, 'metainfo', Mapping, file, '')
    version = require_field(metainfo, 'format_version', int, file, 'metainfo')
    if version != RGBD_LIST_VERSION:
        raise DataError(file, 'metainfo.format_version', RGBD_LIST_VERSION, version)
    try:
        grid = VoxelGrid.build(require_field(metainfo, 'voxel_grid', Mapping, file, 'metainfo'))
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(file, 'metainfo.voxel_grid', 'a voxel grid', error) from error
    sides = require_field(metainfo, 'image_size', list, file, 'metainfo')
    if len(sides) != 2 or not all(type(side) is int and side > 0 for side in sides):
        raise DataError(file, 'metainfo.image_size', '[height, width] in pixels', sides)
    fine_factor = FINE_FACTOR
    if 'fine_factor' in metainfo:
        fine_factor = require_field(metainfo, 'fine_factor', int, file, 'metainfo')
        if fine_factor < 1:
            raise DataError(file, 'metainfo.fine_factor', 'a positive number', fine_factor)
    rotate = metainfo.get('rotate', 0)
    if rotate not in (0, 90, 180, 270) or type(rotate) is not int:
        raise DataError(file, 'metainfo.rotate', '0, 90, 180 or 270 degrees', repr(rotate))
    cropped = metainfo.get('cropped_images', False)
    if not isinstance(cropped, bool):
        raise DataError(file, 'metainfo.cropped_images', 'true or false', repr(cropped))
    cameras = {}
    for source in require_field(metainfo, 'cameras', Mapping, file, 'metainfo'):
        name = f'metainfo.cameras.{source}'
        numbers = require_array(metainfo['cameras'], source, (4,), file, 'metainfo.cameras')
        matrix = as_intrinsics(camera_matrix(numbers), file, name)
        if not cropped:
            option = 'write "cropped_images": true into metainfo'
            check_image_size(matrix, (sides[0], sides[1]), file, name, option)
        cameras[source] = tuple(numbers.tolist())
    files = _parse_files(require_field(metainfo, 'files', Mapping, file, 'metainfo'), file)
    items = require_field(raw, 'data_list', list, file, '')
    located, corners = _parse_column(items, 'origin', (3,), file)
    origins = dict(zip(located, map(tuple, corners.tolist())))
    poses = _parse_poses(items, file, rotate)
    frames = [_parse_frame(item, number, file, origins, poses) for number, item in enumerate(items)]
    names = [frame.frame_id for frame in frames]
    if len(set(names)) != len(names):
        double = Counter(names).most_common(1)[0][0]
        raise DataError(file, 'data_list', 'every frame once', double)
    split, dataset = (
        require_field(metainfo, key, str, file, 'metainfo') for key in ('split', 'dataset')
    )
    size = sides[0], sides[1]
    return RGBDList(
        dataset, split, grid, size, cameras, files, frames, fine_factor, rotate, cropped
    )


def _parse_files(raw: Mapping, file: str) -> dict[str, dict[str, FrameFile]]:
    files: dict[str, dict[str, FrameFile]] = {}
    for source in raw:
        name = f'metainfo.files.{source}'
        files[source] = {}
        for key in require_field(raw, source, Mapping, file, 'metainfo.files'):
            entry, where = raw[source][key], f'{name}.{key}'
            path = require_field(entry, 'path', str, file, where)
            format_name = require_field(entry, 'format', str, file, where)
            having = [name for name, known in FORMATS.items() if key in known.keys]
            if format_name not in having:
                expected = ', '.join(having) or 'a known key'
                raise DataError(file, f'{where}.format', expected, repr(format_name))
            if '{frame_id}' not in path:
                raise DataError(file, f'{where}.path', 'a path with {frame_id}', repr(path))
            files[source][key] = FrameFile(path, format_name)
    return files


def _parse_column(
    items: Sequence[Any], key: str, shape: tuple[int, ...], file: str
) -> tuple[list[int], np.ndarray]:
    """Indices of the frames that have this entry, and its numbers (N, *shape) float64."""
    having = [
        number for number, item in enumerate(items)
        if isinstance(item, Mapping) and item.get(key) is not None
    ]  # fmt: skip
    try:
        # All at once takes a tenth of the time.
        values = [items[number][key] for number in having]
        return having, number_array(values, (None, *shape), file, key)
    except ValueError:  # A DataError, or lists of different lengths: name the frame.
        for number in having:
            require_array(items[number], key, shape, file, f'data_list[{number}]')
        raise


def _parse_poses(items: Sequence[Any], file: str, rotate: int) -> dict[int, np.ndarray]:
    """Index in the list -> pose (4, 4) float64, for the frames that have one."""
    posed, given = _parse_column(items, 'cam2world', (4, 4), file)
    try:
        poses = as_pose(given, file, 'cam2world')
    except DataError:
        for number, pose in zip(posed, given):
            as_pose(pose, file, f'data_list[{number}].cam2world')
        raise
    # If z of the camera's y axis (down) is not above 0, the camera is not upside down.
    upright = _upright(poses, rotate)
    for row in np.flatnonzero(upright[:, 2, 1] > 0):
        field = f'data_list[{posed[row]}].cam2world'
        check_room_camera(upright[row], file, field, has_floor=False)
    return dict(zip(posed, poses))


def _parse_frame(
    raw: Any, number: int, file: str, origins: Mapping[int, Any], poses: Mapping[int, np.ndarray]
) -> Frame:
    name = f'data_list[{number}]'
    frame_id = require_field(raw, 'frame_id', str, file, name)
    if not is_frame_name(frame_id):
        raise DataError(file, f'{name}.frame_id', FRAME_NAME, repr(frame_id))
    missing = raw.get('missing', [])
    if not isinstance(missing, list) or not all(isinstance(entry, str) for entry in missing):
        raise DataError(file, f'{name}.missing', 'a list of source/key', repr(missing)[:60])
    return Frame(frame_id, frozenset(missing), origins.get(number), poses.get(number))
