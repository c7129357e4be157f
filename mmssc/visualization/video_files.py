"""Write pictures as a video: MP4, or an animated GIF where OpenCV cannot write MP4."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack
from os import PathLike
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np
from PIL import Image

from mmssc.errors import DataError
from mmssc.fileio import atomic_write
from mmssc.formats.video import check_video_name
from mmssc.temporary_files import temporary_folder

__all__ = ['VideoFile']

_GIF_WIDTH = 800
_WHITE = (255, 255, 255)
# MPEG-4 and GIF refuse slower or faster ones, at the end of the work.
_SLOWEST, _FASTEST = 0.02, 1000


class VideoFile:
    """A video that grows by one picture at a time. A context manager; needs no display.

    The file appears as a whole at the end of the context, and not after an exception. The codec is
    MPEG-4 Part 2 (``mp4v``), which every build of OpenCV with FFmpeg has.

    Args:
        path: Name of the file, ``.mp4``. Without an encoder for it, the file has the ending
            ``.gif`` and pictures of 800 pixels width.
        rate: Pictures per second, 0.02 to 1000.

    Raises:
        DataError: The rate is another one; the name of the folder for temporary files is not UTF-8;
            or, at the end, it has no space for the video.
    """

    def __init__(self, path: str | PathLike[str], rate: float = 5.0) -> None:
        if not _SLOWEST <= rate <= _FASTEST:
            expected = f'{_SLOWEST} to {_FASTEST} pictures per second'
            raise DataError('frame rate', None, expected, rate)
        check_video_name(tempfile.gettempdir(), 'Set TMPDIR to another folder')
        self.path, self.rate = Path(path), rate
        self._writer: cv2.VideoWriter | None = None
        self._size: tuple[int, int] | None = None
        self._gif: list[Image.Image] = []
        self._count = 0

    def __enter__(self) -> VideoFile:
        self._folder = ExitStack()
        self._work = self._folder.enter_context(temporary_folder()) / 'video.mp4'
        return self

    def add(self, picture: np.ndarray) -> None:
        """Add a picture (H, W, 3) uint8 RGB; all are fitted into the size of the first one."""
        if self._size is None:
            # Encoders need even sides.
            self._size = picture.shape[1] // 2 * 2, picture.shape[0] // 2 * 2
            code = cv2.VideoWriter_fourcc(*'mp4v')  # type: ignore[attr-defined]
            writer = cv2.VideoWriter(str(self._work), code, self.rate, self._size)
            if writer.isOpened():
                self._writer = writer
            else:
                self.path = self.path.with_suffix('.gif')
        picture = _fitted(picture, self._size)
        if self._writer is not None:
            self._writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
            self._count += 1
        else:
            image = Image.fromarray(picture)
            image.thumbnail((_GIF_WIDTH, picture.shape[0]))
            self._gif.append(image.convert('P', palette=Image.Palette.ADAPTIVE))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._folder:
            if self._writer is not None:
                self._writer.release()
                if kind is None:
                    self._check_whole()
            if kind is None and self._size is not None:
                self._store()

    def _check_whole(self) -> None:
        """OpenCV does not say that it could not write."""
        count = 0
        if _has_all_boxes(self._work):  # FFmpeg prints errors about other files.
            video = cv2.VideoCapture(str(self._work))
            count = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
            video.release()
        if count != self._count:
            hint = 'Free space there, or set TMPDIR to another folder'
            folder = tempfile.gettempdir()
            expected, found = f'space for the video {self.path.name}', 'a full disk'
            raise DataError(folder, None, expected, found, hint)

    def _store(self) -> None:
        with atomic_write(self.path) as file:
            if self._writer is not None:
                with open(self._work, 'rb') as video:
                    shutil.copyfileobj(video, file)
            else:
                first, *others = self._gif
                pause = round(1000 / self.rate)
                first.save(
                    file, format='GIF', save_all=True, append_images=others, duration=pause, loop=0
                )


def _has_all_boxes(path: Path) -> bool:
    """Whether an MP4 file ends with its last box, and one of them lists the pictures."""
    place, end, kinds = 0, path.stat().st_size, set()
    with open(path, 'rb') as file:
        while place < end:
            file.seek(place)
            head = file.read(16)
            size = int.from_bytes(head[:4], 'big')
            if size == 1:  # The next 8 bytes after the kind hold it.
                size = int.from_bytes(head[8:], 'big')
            if size < 8:
                return False
            kinds.add(head[4:8])
            place += size
    return place == end and b'moov' in kinds


def _fitted(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A picture scaled down and padded with white, or cut by one row or column, to a size."""
    (width, height), (rows, columns) = size, picture.shape[:2]
    scale = min(1.0, (width + 1) / columns, (height + 1) / rows)
    if scale < 1:
        new_size = max(1, int(columns * scale)), max(1, int(rows * scale))
        picture = cv2.resize(picture, new_size, interpolation=cv2.INTER_AREA)
    picture = picture[:height, :width]
    below, right = height - picture.shape[0], width - picture.shape[1]
    return cv2.copyMakeBorder(picture, 0, below, 0, right, cv2.BORDER_CONSTANT, value=_WHITE)
