"""The frames of a drive that the command line names: a folder of images, a video, or files."""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmssc.errors import DataError, counted
from mmssc.formats.images import IMAGE_SUFFIXES, read_image_shape
from mmssc.formats.kitti import read_poses
from mmssc.formats.scans import SCAN_SUFFIXES
from mmssc.formats.video import count_video_frames, is_video, read_video
from mmssc.structures.camera_checks import check_image_size

from ..base_inferencer import CROP_OPTION, warn_about

__all__ = [
    'DriveFrames',
    'check_image_sizes',
    'files_of_folder',
    'find_drive',
    'files_of_scenes',
    'is_drive',
    'read_drive_poses',
]

# Option -> endings of its files in a folder, the preferred one first; what a file is.
_SUFFIXES = {
    'depth': (('.npy', '.png'), 'the depth map'),
    'points': (SCAN_SUFFIXES, 'the points'),
    'image_right': (IMAGE_SUFFIXES, 'the right image'),
}
# Option -> key of a frame.
_KEYS = {'depth': 'depth', 'points': 'points', 'image_right': 'img_right'}


@dataclass(frozen=True)
class DriveFrames:
    """The frames that are taken of a source.

    Args:
        names: Of the taken frames, for messages: files, or video and number.
        stems: Of the files to write for the taken frames.
        frames: Arguments of :class:`~mmssc.apis.Drive`; a generator for a video.
        inputs: The files that are read.
        count: Number of frames of the source, before the step.
        has_more: Whether the source has more than ``count`` frames.
    """

    names: Sequence[str]
    stems: Sequence[str]
    frames: Iterable[Mapping[str, Any]]
    inputs: Sequence[str]
    count: int
    has_more: bool = False


def _is_folder(files: Sequence[str] | None) -> bool:
    return files is not None and len(files) == 1 and Path(files[0]).is_dir()


def _is_video(files: Sequence[str] | None) -> bool:
    return files is not None and len(files) == 1 and is_video(files[0])


def is_drive(args: argparse.Namespace) -> bool:
    """Whether --image is a drive: a folder, a video, or several files with --poses only."""
    several = len(args.image) > 1 and args.poses and not (args.frames or args.earlier_image)
    return bool(_is_folder(args.image) or _is_video(args.image) or several)


def find_drive(args: argparse.Namespace) -> DriveFrames:
    """Find the frames of a drive.

    Raises:
        DataError: There is no frame, or a frame lacks a file that the others have.
    """
    if _is_video(args.image):
        return _frames_of_video(args)
    images = _images_in(Path(args.image[0])) if _is_folder(args.image) else list(args.image)
    columns = {name: files_of_scenes(args, name, images) for name in _SUFFIXES}
    taken = range(0, len(images), args.frame_step)[: args.max_frames]
    if len(range(0, len(images), args.frame_step)) > len(taken):
        _say_limit(args)
    frames = [
        dict(img=images[n], **{_KEYS[name]: files[n] for name, files in columns.items()})
        for n in taken
    ]
    inputs = [path for frame in frames for path in frame.values() if path is not None]
    names = [images[n] for n in taken]
    return DriveFrames(names, [Path(n).stem for n in names], frames, inputs, len(images))


def files_of_folder(folder: Path, suffixes: Sequence[str], what: str) -> list[str]:
    """The files of a folder with these endings, in the order of the numbers in their names.

    Raises:
        DataError: There is none.
    """
    paths = [
        path for path in folder.iterdir()
        if path.suffix.lower() in suffixes and not path.name.startswith('.')
    ]  # fmt: skip
    if not paths:
        raise DataError(folder, what, f'files {", ".join(suffixes)}', 'none')
    paths.sort(key=lambda path: [
        (int(part), part) if part.isdecimal() else (-1, part)
        for part in re.split(r'(\d+)', path.name)
    ])  # fmt: skip
    return [str(path) for path in paths]


def _images_in(folder: Path) -> list[str]:
    """The images of a folder; two may not be called the same."""
    images = files_of_folder(folder, IMAGE_SUFFIXES, 'images')
    counts = Counter(Path(image).stem for image in images)
    if twice := next((stem for stem, count in counts.items() if count > 1), None):
        raise DataError(folder, 'images', 'one image a frame', f'two called {twice}')
    return images


def files_of_scenes(
    args: argparse.Namespace, option: str, images: Sequence[str]
) -> Sequence[str | None]:
    """The files of an option, one per image: as given, or those of a folder with the same names.

    Raises:
        DataError: Their number is another one, or the folder lacks the file of an image.
    """
    files = getattr(args, option)
    if files is None:
        return [None] * len(images)
    if not _is_folder(files):
        if len(files) != len(images):
            if len(files) == 1 and not Path(files[0]).exists():
                expected = f'{_SUFFIXES[option][1]} of each image, or a folder of them'
                raise DataError(files[0], None, expected, 'no such file or folder')
            found = f'{len(files)} for {counted(len(images), "image")}'
            name = f'--{option.replace("_", "-")}'
            raise DataError(name, None, 'one file per image', found)
        return files
    suffixes, what = _SUFFIXES[option]
    folder = Path(files[0])
    inside = {path.name: str(path) for path in folder.iterdir()}
    found_files = []
    for image in images:
        names = [Path(image).stem + suffix for suffix in suffixes]
        file = next((inside[name] for name in names if name in inside), None)
        if file is None and Path(image).suffix == '' and not Path(image).exists():
            expected = 'an image, a folder of images, or a video'
            raise DataError('--image', None, expected, f'{image}, which does not exist')
        if file is None:
            raise DataError(folder, names[0], f'{what} of {Path(image).name}', 'no such file')
        found_files.append(file)
    return found_files


def check_image_sizes(
    images: Iterable[str], cam2img: np.ndarray | None, needs_one_size: bool
) -> None:
    """Check the images of a drive, which share the intrinsics, before the first one is completed.

    Warns of an image whose size differs from that of most others.

    Args:
        images: The files. One that cannot be read is left to the scenes that need it.
        cam2img: (3, 3 or 4) intrinsics that must fit each size; None: do not compare them.
        needs_one_size: The model reads images of several frames together.

    Raises:
        DataError: The intrinsics do not fit an image, or the images differ in size although the
            model needs one size.
    """
    files: dict[tuple[int, int], list[str]] = {}
    for path in images:
        with suppress(DataError, OSError):
            files.setdefault(read_image_shape(path), []).append(path)
    usual = max(files, key=lambda size: len(files[size]), default=None)
    for size, paths in files.items():
        if cam2img is not None:
            check_image_size(cam2img, size, paths[0], 'cam2img', CROP_OPTION)
        if size != usual and needs_one_size:
            expected = f'{usual} as most others: this model reads several frames together'
            raise DataError(paths[0], 'image size', expected, size)
        if size != usual and cam2img is not None:
            text = f'image size {size}, that of most others is {usual}'
            warn_about(paths[0], [f'{text}: the same intrinsics must hold for both'])


def _frames_of_video(args: argparse.Namespace) -> DriveFrames:
    path, step = args.image[0], args.frame_step
    most = args.max_frames * step
    count = count_video_frames(path, most + 1)
    has_more = count > most
    if has_more:
        _say_limit(args)
        count = most
    numbers = range(0, count, step)
    names = [f'{Path(path).stem}_{number:06d}' for number in numbers]
    columns: dict[str, Any] = {'img': read_video(path, step), 'name': names}
    inputs = [path]
    for option, key in _KEYS.items():
        if option == 'image_right' and _is_video(args.image_right):
            right = args.image_right[0]
            if (found := min(count, count_video_frames(right, most + 1))) != count:
                raise DataError(right, 'frames', f'{count} as {path}', found)
            columns[key] = read_video(right, step)
            inputs.append(right)
        elif getattr(args, option) is not None:
            files = files_of_scenes(args, option, [f'{number:06d}.png' for number in range(count)])
            columns[key] = files[::step]
            inputs += [file for file in files if file is not None]
    return DriveFrames(names, names, _rows(columns), inputs, count, has_more)


def _rows(columns: Mapping[str, Iterable[Any]]) -> Iterator[dict[str, Any]]:
    for row in zip(*columns.values()):
        yield dict(zip(columns, row))


def _say_limit(args: argparse.Namespace) -> None:
    taken = 'frame' if args.max_frames == 1 else f'{args.max_frames} frames'
    text = f'{args.image[0]}: takes the first {taken} only'
    print(f'{text} (--max-frames, --frame-step)', file=sys.stderr)


def read_drive_poses(args: argparse.Namespace, drive: DriveFrames) -> np.ndarray | None:
    """The poses (N, 4, 4) of the taken frames, None without --poses.

    Line n is the pose of frame n of the source. A file for a whole drive can go with a part of its
    images, if their names are the numbers of the lines.

    Raises:
        DataError: The file is wrong, or its lines do not belong to the frames.
    """
    if not args.poses:
        return None
    poses = read_poses(args.poses)
    count = drive.count
    if drive.has_more and len(poses) > count:
        count = count_video_frames(args.image[0], len(poses) + 1)
    if len(poses) != count:
        lines = _numbered_lines(args)
        if lines is None or lines[-1] >= len(poses):
            hint = 'Write a line for each frame, in their order'
            least = 'at least ' if drive.has_more and count > len(poses) else ''
            expected = f'{least}{count}, one for each frame'
            raise DataError(args.poses, 'lines', expected, len(poses), hint)
        taken = lines[:: args.frame_step][: len(drive.names)]
        text = f'poses: line n (from 0) is that of image n; taken are {taken[0]} to {taken[-1]}'
        has_gaps = len(lines) <= lines[-1] - lines[0]
        print(f'{args.poses}: {text}{", with gaps" * has_gaps}', file=sys.stderr)
        poses = poses[lines]
    return poses[:: args.frame_step][: len(drive.names)]


def _numbered_lines(args: argparse.Namespace) -> list[int] | None:
    """The lines that the names of the images count, if these are increasing numbers."""
    if _is_video(args.image):
        return None
    images = _images_in(Path(args.image[0])) if _is_folder(args.image) else args.image
    stems = [Path(image).stem for image in images]
    if not all(stem.isascii() and stem.isdecimal() for stem in stems):
        return None
    lines = [int(stem) for stem in stems]
    return lines if all(one < other for one, other in zip(lines, lines[1:])) else None
