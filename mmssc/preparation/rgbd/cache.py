"""Write NYU, in any layout, into one compact cache and the info lists that read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from os import PathLike
from pathlib import Path

import numpy as np
import torch

from mmssc.datasets.rgbd_list import (
    SHARED,
    Frame,
    FrameFile,
    RGBDList,
    read_rgbd_list,
    write_rgbd_list,
)
from mmssc.errors import DataError
from mmssc.formats.matrices import camera_matrix
from mmssc.formats.rgbd_cache import CACHED_NAMES, write_frame_cache
from mmssc.formats.rgbd_format import FrameSpec
from mmssc.formats.rgbd_frame import read_frame_file
from mmssc.geometry import fit_camera_pose
from mmssc.progress import track
from mmssc.structures import VoxelGrid
from mmssc.structures.sample_keys import STORED_TARGETS

__all__ = ['CACHE_NAME', 'cache_frames', 'place_camera']

CACHE_NAME = 'frames.npz'
# SSCNet's boxes start 5 cm below the floor.
_BELOW_FLOOR = 0.05


def cache_frames(
    lists: Mapping[str, str | PathLike[str]],
    out: str | PathLike[str],
    num_classes: int,
    source: str = 'nyu',
    label_source: str = 'nyu',
    segmentation: str | None = None,
) -> dict[str, RGBDList]:
    """Write ``CACHE_NAME`` and one info list per split.

    If the list of a frame has no pose, the pose is fitted to the mapping
    (:func:`~mmssc.geometry.fit_camera_pose`), and the grid is placed in front of it.

    Args:
        lists: Name of the new list -> info list to read; paths in it are relative to its folder.
        out: Folder to write to.
        num_classes: Number of classes, including empty.
        source: Depth that TSDF and mapping come from.
        label_source: Source of labels and weights.
        segmentation: Path template of a 2D segmentation (``seg13/{frame_id}.png``), relative to
            the folder of the lists; None: the segmentation in the lists, if there is one.

    Returns:
        Name -> the list that was written.

    Raises:
        DataError: A file is missing or wrong, or no pose fits the mapping of a frame.
    """
    splits = {name: read_rgbd_list(path) for name, path in lists.items()}
    folders = {name: Path(path).parent for name, path in lists.items()}
    placed: dict[str, list[Frame]] = {name: [] for name in splits}

    def frames() -> Iterator[tuple[str, dict[str, np.ndarray]]]:
        for name, split in splits.items():
            table = _files(split, source, label_source, segmentation)
            spec = FrameSpec(split.voxel_grid, split.image_size, num_classes, split.fine_factor)
            for frame in split.frames:
                arrays = {}
                for key, file in table.items():
                    path = folders[name] / file.of(frame.frame_id)
                    arrays.update(read_frame_file(path, file.format, [key], spec))
                placed[name].append(_with_pose(frame, arrays, split, source))
                yield _cached_name(name, frame.frame_id), arrays

    for name, split in splits.items():
        for wanted in (source, label_source):
            if wanted not in split.files:
                found = ', '.join(sorted(set(split.files) - {SHARED}))
                raise DataError(lists[name], f'source {wanted!r}', 'files of it', f'only {found}')
    out = Path(out)
    total = sum(len(split.frames) for split in splits.values())
    write_frame_cache(out / CACHE_NAME, track(frames(), total, 'cache'))
    lists_out = {}
    for name, split in splits.items():
        keys = _files(split, source, label_source, segmentation)
        lists_out[name] = replace(
            split, frames=placed[name], files=_cached_files(name, keys, source, label_source)
        )
        write_rgbd_list(out / f'{name}.json', lists_out[name])
    return lists_out


def _files(
    split: RGBDList, source: str, label_source: str, segmentation: str | None
) -> dict[str, FrameFile]:
    """Key -> file, for the keys of a cache."""
    table = dict(split.files.get(SHARED, {}))
    for name in (source, label_source):
        for key, file in split.files[name].items():
            if (key in STORED_TARGETS) == (name == label_source) or source == label_source:
                table[key] = file
    if segmentation is not None:
        table['segmentation'] = FrameFile(segmentation, 'ids')
    return {key: file for key, file in table.items() if key in CACHED_NAMES}


def _cached_name(list_name: str, frame_id: str) -> str:
    """Name of a frame in the cache: two lists may have different frames of one name."""
    return f'{list_name}-{frame_id}'


def _cached_files(
    list_name: str, keys: Mapping[str, FrameFile], source: str, label_source: str
) -> dict[str, dict[str, FrameFile]]:
    file = FrameFile(f'{CACHE_NAME}/{_cached_name(list_name, "{frame_id}")}', 'cached')
    files: dict[str, dict[str, FrameFile]] = {SHARED: {}, source: {}, label_source: {}}
    for key in keys:
        owner = label_source if key in STORED_TARGETS else source
        files[SHARED if key == 'segmentation' else owner][key] = file
    return files


def _with_pose(
    frame: Frame, arrays: Mapping[str, np.ndarray], split: RGBDList, source: str
) -> Frame:
    if frame.cam2world is not None or source not in split.cameras:
        return replace(frame, missing=frozenset())
    try:
        origin, cam2world = place_camera(
            arrays['voxel_to_pixel'], split.image_size, split.cameras[source], split.voxel_grid
        )
    except DataError as error:
        field = f'frame {frame.frame_id}, {error.field}'
        raise DataError(error.file, field, error.expected, error.found, error.hint) from error
    return replace(frame, missing=frozenset(), origin=origin, cam2world=cam2world)


def place_camera(
    voxel_to_pixel: np.ndarray,
    image_size: tuple[int, int],
    camera: tuple[float, float, float, float],
    grid: VoxelGrid,
) -> tuple[tuple[float, float, float], np.ndarray]:
    """Origin of the grid and pose of the camera in SSCNet's world, from the mapping alone.

    World: z up, floor at 0, camera at x = y = 0; the box starts 5 cm below the floor.

    Args:
        voxel_to_pixel: (X, Y, Z), -1 = none.
        image_size: (height, width).
        camera: fx, fy, cx, cy.
        grid: Its origin does not matter.

    Returns:
        Origin in the order of the grid's axes, metres; (4, 4) float64 camera to world.

    Raises:
        DataError: See :func:`~mmssc.geometry.fit_camera_pose`.
    """
    local = replace(grid, origin=(0.0, 0.0, 0.0))
    matrix = torch.from_numpy(camera_matrix(camera))
    fit = fit_camera_pose(torch.from_numpy(voxel_to_pixel), image_size, matrix, local)
    pose = fit.cam2grid.numpy().copy()
    low = dict(x=-pose[0, 3], y=-pose[1, 3], z=-_BELOW_FLOOR)
    pose[:3, 3] += [low[axis] for axis in 'xyz']
    first, second, third = (float(low[axis]) for axis in grid.axes)
    return (first, second, third), pose
