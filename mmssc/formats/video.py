"""Read the frames of a video file; a wrong or damaged file raises a :class:`DataError`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike, fspath
from pathlib import Path

import cv2
import numpy as np

from mmssc.errors import DataError

from .file_warnings import warn_of_file
from .regular_files import check_file_size, open_data_file

__all__ = ['VIDEO_SUFFIXES', 'check_video_name', 'count_video_frames', 'is_video', 'read_video']

#: Endings of the files that are taken for videos.
VIDEO_SUFFIXES = ('.mp4', '.avi', '.mov', '.m4v', '.mkv', '.webm')
# The largest picture, pixels: four times 4K.
_MAX_PIXELS = 36_000_000
# The largest file: two hours of a phone.
_MAX_BYTES = 16 * 2**30
# Headers of whole videos may count so many frames more.
_HEADER_ERROR = 2
_AS_IMAGES = 'Extract its frames (ffmpeg -i VIDEO frames/%06d.png) and give the folder'


def is_video(path: str | PathLike[str]) -> bool:
    """Whether a path has the ending of a video."""
    return Path(path).suffix.lower() in VIDEO_SUFFIXES


def check_video_name(path: str, hint: str) -> None:
    """Refuse a name that is no text: OpenCV would end the process.

    Args:
        path: File or folder.
        hint: What to do.

    Raises:
        DataError: It is not UTF-8.
    """
    try:
        path.encode()
    except UnicodeEncodeError:
        raise DataError(path, 'name', 'UTF-8', 'other bytes', hint) from None


def count_video_frames(path: str | PathLike[str], most: int) -> int:
    """Number of frames of a video, by going through it: the number in its header can be wrong.

    Args:
        path: The file.
        most: Stop there: a damaged file may have no end.

    Raises:
        DataError: As :func:`read_video`.
    """
    with _opened(path) as video:
        count = 0
        while count < most and video.grab():
            count += 1
        declared = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
    if not count:
        raise DataError(path, 'video', 'a frame that can be decoded', 'none', _AS_IMAGES)
    if count < min(declared - _HEADER_ERROR, most):
        text = f'{count} of {declared} frames can be decoded: is the file damaged or incomplete?'
        warn_of_file(path, 'video', text)
    return count


def read_video(path: str | PathLike[str], step: int = 1) -> Iterator[np.ndarray]:
    """Read a video frame by frame.

    Args:
        path: MP4, AVI, MOV, MKV or WebM.
        step: Every how many frames to yield one, from the first.

    Yields:
        (H, W, 3) uint8 RGB, all of one size.

    Raises:
        DataError: The file is missing, not a regular file, larger than 16 GiB or not a video that
            can be decoded, or its frames are larger than 36 million pixels or differ in size.
    """
    with _opened(path) as video:
        shape = None
        number = 0
        while video.grab():
            if number % step == 0:
                is_read, image = video.retrieve()
                if not is_read or image is None:
                    break
                shape = shape or image.shape
                if image.shape != shape or image.ndim != 3:
                    expected = f'{shape[:2]} as the first frame'
                    raise DataError(path, f'size of frame {number}', expected, image.shape[:2])
                yield cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
            number += 1


@contextmanager
def _opened(path: str | PathLike[str]) -> Iterator[cv2.VideoCapture]:
    """Open a video whose kind is checked first: FFmpeg also plays lists that name other files.

    FFmpeg also takes ``http:x.mp4`` and ``concat:a.mp4|b.mp4`` for addresses, not a path from the
    root.
    """
    absolute = os.path.abspath(fspath(path))
    check_video_name(absolute, 'Rename the video, or its folder')
    with open_data_file(path) as file:
        check_file_size(file, path, _MAX_BYTES)
        head = file.read(12)
    if not (
        head[4:8] in (b'ftyp', b'moov', b'mdat', b'wide', b'free', b'skip')
        or head[:4] == b'\x1aE\xdf\xa3'
        or (head[:4] == b'RIFF' and head[8:12] == b'AVI ')
    ):
        raise DataError(path, 'video', 'MP4, AVI, MOV, MKV or WebM', 'another file', _AS_IMAGES)
    video = cv2.VideoCapture(absolute, cv2.CAP_FFMPEG)
    try:
        # The size of a damaged video can be 0.
        size = [int(video.get(p)) for p in (cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FRAME_WIDTH)]
        if not video.isOpened() or min(size) <= 0:
            raise DataError(path, 'video', 'one that can be decoded', 'none', _AS_IMAGES)
        if size[0] * size[1] > _MAX_PIXELS:
            expected = f'at most {_MAX_PIXELS // 10**6} million pixels'
            raise DataError(path, 'image size', expected, f'{size[0]} x {size[1]}')
        if turn := int(video.get(cv2.CAP_PROP_ORIENTATION_META)) % 360:
            text = f'turned by {turn} degrees, as the orientation in the file says'
            warn_of_file(path, 'turn', f'{text}; the calibration must be that of the turned images')
        yield video
    finally:
        video.release()
