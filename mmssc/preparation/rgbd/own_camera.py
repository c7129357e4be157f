"""Prepare frames of any depth camera: from depth images to TSDF and mapping."""

from __future__ import annotations

import argparse
import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmssc.command_line import command
from mmssc.datasets.rgbd_list import (
    FRAME_NAME,
    SHARED,
    Frame,
    FrameFile,
    RGBDList,
    is_frame_name,
    write_rgbd_list,
)
from mmssc.errors import DataError, counted
from mmssc.formats.images import other_image_suffix, read_image_shape
from mmssc.formats.numpy_arrays import read_npz
from mmssc.geometry import check_placement, describe_camera
from mmssc.preparation.command_line import LISTS_LATER, check_shard, run_converter
from mmssc.preparation.folder_settings import info_list_to_write, replace_if_changed
from mmssc.preparation.frame_jobs import FrameRunner, StepReport
from mmssc.shared_options import check_segmenter_options

from .layouts import prepared_path
from .options import check_camera, claim_results, spec_of
from .own_frame import CONFIDENCE, EXTRAS, OWN_SOURCE, OwnFrameTask, PoseRule
from .own_segmentation import SEGMENT_FILE, segment_tasks
from .parsers import own_parser
from .tasks import FrameSettings

__all__ = ['prepare_own']

_FRAMES_DESCRIBED = 5
_LIST_NAME = f'{OWN_SOURCE}_infos.json'
# Increase it when the search of the floor changes, so that poses of two searches do not mix.
_FLOOR_SEARCH = 3
_UNSURE = 0.7


def _frames(root: Path, pattern: str) -> dict[str, Path]:
    """Frame name -> depth image."""
    folder, name = (root / pattern).parent, Path(pattern).name
    if name.count('*') != 1 or '*' in str(folder):
        raise DataError('command line', '--depth', 'one * in the file name', repr(pattern))
    start, end = name.split('*')
    paths = sorted(folder.glob(name)) if folder.is_dir() else []
    # Hidden files are no frames: macOS writes ._NAME beside a file.
    paths = [path for path in paths if path.name[0] != '.']
    frames = {path.name[len(start) : len(path.name) - len(end)]: path for path in paths}
    if not frames:
        raise _no_images(folder / name, 'depth images')
    for frame_id, path in frames.items():
        if not is_frame_name(frame_id):
            expected = f'{FRAME_NAME} (for the * of --depth)'
            raise DataError(path, 'file name', expected, repr(frame_id), 'Rename the file')
    return frames


def _check_pattern(option: str, pattern: Path, frames: Iterable[str]) -> None:
    """Refuse a pattern that no frame fits; single frames may lack an image."""
    if '*' not in str(pattern):
        raise DataError('command line', option, 'a * for the name of the frame', repr(str(pattern)))
    if not any(Path(str(pattern).replace('*', frame)).is_file() for frame in frames):
        raise _no_images(pattern, 'images')


def _no_images(pattern: Path, what: str) -> DataError:
    """The error for a pattern that matches nothing; it names the images that are there."""
    other = other_image_suffix(pattern.parent, pattern.suffix)
    hint = None if other is None else f'The folder has {other} files: change the pattern'
    if not pattern.suffix:
        hint = 'The pattern needs the ending of the files, such as *.png'
    folder = pattern.parent
    found = 'none' if folder.is_dir() else f'no folder {folder}'
    return DataError(pattern, what, 'at least one', found, hint)


def _image_size(paths: Iterable[Path]) -> tuple[int, int]:
    """(height, width) of the first image that can be read; the others must have it, too."""
    fault: DataError | None = None
    for path in paths:
        try:
            return read_image_shape(path)
        except DataError as error:
            fault = fault or error
    assert fault is not None
    raise fault


def _listed(
    arguments: argparse.Namespace, settings: FrameSettings, tasks: Sequence[OwnFrameTask]
) -> RGBDList:
    out, root = arguments.out or arguments.root, arguments.root
    own = {key: prepared_path(OWN_SOURCE) for key in ('tsdf', 'voxel_to_pixel')}
    if arguments.fine:
        own['tsdf_fine'] = prepared_path(OWN_SOURCE, fine=True)
    files = {OWN_SOURCE: {key: FrameFile(path, 'prepared') for key, path in own.items()}}
    shared = {}
    for key, (_, pattern) in _image_patterns(arguments).items():
        path = pattern.replace('*', '{frame_id}')
        kind = 'rgb' if key == 'img' else 'ids'
        shared[key] = FrameFile(path if out == root else str((root / path).absolute()), kind)
    if arguments.segmenter is not None:
        shared['segmentation'] = FrameFile(SEGMENT_FILE, 'ids')
    if shared:
        files[SHARED] = shared
    frames = []
    for task in tasks:
        stored = read_npz(task.output, EXTRAS)
        missing = frozenset(
            f'{SHARED}/{key}'
            for key, file in shared.items()
            if not (out / file.of(task.frame_id)).is_file()
        )
        origin = settings.spec.placed_grid(stored['origin']).origin
        frames.append(Frame(task.frame_id, missing, origin, stored['cam2world']))
    spec = settings.spec
    cameras = {OWN_SOURCE: settings.camera}
    return RGBDList(
        OWN_SOURCE, OWN_SOURCE, spec.grid, spec.image_size, cameras, files, frames,
        spec.fine_factor, arguments.rotate or 0, arguments.cropped_images,
    )  # fmt: skip


def _recipe(
    arguments: argparse.Namespace, settings: FrameSettings, rule: PoseRule, is_searched: bool
) -> dict[str, Any]:
    """What the results of this command line depend on."""
    recipe = {
        **settings.recipe(), 'depth_scale': arguments.depth_scale, 'poses': arguments.poses,
        'height': rule.height, 'tilt': rule.tilt, 'origin': rule.origin,
    }  # fmt: skip
    recipe.update({key: value for key in ('roll', 'rotate') if (value := getattr(rule, key))})
    if is_searched:
        # Folders of earlier releases hold poses of another search.
        recipe['floor_search'] = _FLOOR_SEARCH
    return recipe


def _work(arguments: argparse.Namespace) -> list[StepReport]:
    root, out = arguments.root, arguments.out or arguments.root
    check_segmenter_options(arguments, '--color')
    info_list_to_write(out / _LIST_NAME)
    depth_files = _frames(root, arguments.depth)
    for option, pattern in _image_patterns(arguments).values():
        _check_pattern(option, root / pattern, depth_files)
    if arguments.image_size is None:
        arguments.image_size = _image_size(depth_files.values())
    remarks = []
    if not arguments.cropped_images:
        option = 'give --cropped-images'
        remarks += check_camera(arguments.camera, arguments.image_size, '--camera', option)
    settings = FrameSettings(
        spec_of(arguments),
        arguments.camera,
        'mm',
        truncation=arguments.truncation,
        depth_limits=tuple(arguments.depth_limits),
    )
    poses = None if arguments.poses is None else str(root / arguments.poses)
    origin = None if arguments.origin is None else tuple(arguments.origin)
    rule = _rule(arguments, poses, origin)
    is_searched = poses is None and rule.height is None
    recipe = _recipe(arguments, settings, rule, is_searched)
    coarse, fine = (out / prepared_path(OWN_SOURCE, is_fine) for is_fine in (False, True))
    claim_results(coarse.parent, recipe, arguments)
    if arguments.fine:
        claim_results(fine.parent, recipe, arguments)
    tasks = [
        OwnFrameTask(
            frame_id,
            path,
            settings,
            rule,
            1000 / arguments.depth_scale,
            coarse.with_name(f'{frame_id}.npz'),
            fine.with_name(f'{frame_id}.npz') if arguments.fine else None,
        )
        for frame_id, path in depth_files.items()
    ]
    segments = segment_tasks(arguments, depth_files, settings.spec.image_size)
    with FrameRunner(arguments.workers, arguments.shard) as runner:
        reports = [runner.run('frames', tasks)]
        if segments:
            reports.append(runner.run('segmentation', segments))
    infos = StepReport('infos')
    if arguments.shard is not None:
        infos.notes.append(LISTS_LATER)
    elif done := [task for task in tasks if (OWN_SOURCE, task.frame_id) not in reports[0].failures]:
        infos.notes.append(f'{out / _LIST_NAME}: {len(done)} of {len(tasks)} frames')
        remarks += _write_list(arguments, settings, done, infos, is_searched)
    for remark in remarks:
        warnings.warn(f'{root}: {remark}', stacklevel=2)
    return [*reports, infos]


def _write_list(
    arguments: argparse.Namespace,
    settings: FrameSettings,
    tasks: Sequence[OwnFrameTask],
    infos: StepReport,
    is_searched: bool,
) -> list[str]:
    """Write the info list of the finished tasks; return remarks about their cameras."""
    listed = _listed(arguments, settings, tasks)
    path = (arguments.out or arguments.root) / _LIST_NAME
    changed = replace_if_changed(path, partial(write_rgbd_list, frames=listed))
    infos.made, infos.kept = int(changed), int(not changed)
    infos.notes += _image_notes(arguments, listed)
    sure = _confidences(tasks) if is_searched else {}
    infos.notes += _camera_notes(listed, sure)
    has_floor = arguments.origin is None
    return [*_unsure_floors(sure), *listed.pose_remarks(path, OWN_SOURCE, has_floor=has_floor)]


def _rule(
    arguments: argparse.Namespace, poses: str | None, origin: tuple[float, float, float] | None
) -> PoseRule:
    if poses is not None and (arguments.height is not None or arguments.rotate):
        found = 'also --height or --rotate'
        raise DataError('command line', '--poses', 'poses of the stored images alone', found)
    if arguments.height is None and (arguments.tilt or arguments.roll):
        raise DataError('command line', '--tilt, --roll', '--height with them', 'none')
    if arguments.rotate and (arguments.color or arguments.segmentation):
        hint = 'Turn the files of all kinds first, and leave --rotate out'
        found = '--color or --segmentation, whose files stay as they are'
        raise DataError('command line', '--rotate', 'depth images only', found, hint)
    tilt, roll = math.radians(arguments.tilt), math.radians(arguments.roll)
    if arguments.height is not None:
        check_placement(arguments.height, tilt, roll, in_command=True)
    return PoseRule(poses, arguments.height, tilt, origin, roll, arguments.rotate)


def _image_patterns(arguments: argparse.Namespace) -> dict[str, tuple[str, str]]:
    """Key of a sample -> option and pattern of its images, for the options that were given."""
    patterns = dict(
        img=('--color', arguments.color), segmentation=('--segmentation', arguments.segmentation)
    )
    return {key: (option, text) for key, (option, text) in patterns.items() if text is not None}


def _image_notes(arguments: argparse.Namespace, listed: RGBDList) -> list[str]:
    """How many frames have an image of each option, and some of those that lack one."""
    notes = []
    for key, (option, _) in _image_patterns(arguments).items():
        lacking = [one.frame_id for one in listed.frames if f'{SHARED}/{key}' in one.missing]
        count = len(listed.frames)
        note = f'{option}: {count - len(lacking)} of {counted(count, "frame")} have an image'
        if lacking:
            note += f'; none: {_first_names(lacking)}'
        notes.append(note)
    return notes


def _first_names(names: Sequence[str]) -> str:
    return ', '.join(names[:_FRAMES_DESCRIBED]) + (', ...' if names[_FRAMES_DESCRIBED:] else '')


def _camera_notes(listed: RGBDList, sure: Mapping[str, float]) -> list[str]:
    """The first cameras in words.

    Args:
        listed: All frames.
        sure: Frame -> confidence of the floor that was found, if it was searched.
    """
    return [
        _describe(frame.frame_id, listed.upright_pose(frame), sure.get(frame.frame_id))
        for frame in listed.frames[:_FRAMES_DESCRIBED]
    ]


def _unsure_floors(sure: Mapping[str, float]) -> list[str]:
    """A remark that names the frames whose floor is uncertain; arguments as _camera_notes."""
    unsure = sorted((value, frame_id) for frame_id, value in sure.items() if value < _UNSURE)
    if not unsure:
        return []
    names = _first_names([f'{name} ({value:.2f})' for value, name in unsure])
    return [
        f'check the camera of {counted(len(unsure), "frame")} with a floor of confidence '
        f'below {_UNSURE}: {names}'
    ]


def _confidences(tasks: Sequence[OwnFrameTask]) -> dict[str, float]:
    """Frame -> confidence of the floor that was found."""
    return {
        task.frame_id: float(read_npz(task.output, (CONFIDENCE,))[CONFIDENCE][0]) for task in tasks
    }


def _describe(frame_id: str, pose: np.ndarray, confidence: float | None) -> str:
    sure = '' if confidence is None else f' (floor: confidence {confidence:.2f})'
    return f'{frame_id}: {describe_camera(torch.from_numpy(pose))}{sure}'


@command
def prepare_own(description: str, arguments: Sequence[str] | None = None) -> int:
    """Run the command; arguments and exit status as :func:`.nyu.prepare_nyu`."""
    parsed = own_parser(description).parse_args(arguments)
    check_shard(parsed)
    return run_converter(
        partial(_work, parsed), parsed.root, parsed.out, hint='Give another folder for --out',
        root_hint='Give the folder of your frames; --depth is a pattern below it',
        shard=parsed.shard,
    )  # fmt: skip
