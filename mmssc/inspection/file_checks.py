"""Check single files: quickly (size, header and end) or thoroughly (the whole content)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from mmssc.errors import DataError
from mmssc.formats.images import COPY_AGAIN, read_rgb
from mmssc.formats.kitti import read_depth, read_velodyne, read_voxel_labels
from mmssc.formats.numpy_arrays import NpzArchive, read_npy_shape
from mmssc.formats.regular_files import read_ends

__all__ = ['DEPTH_KINDS', 'Problem', 'archive_of', 'check_file', 'without_file']

#: Kinds of files that hold depth, see :class:`~mmssc.datasets.transforms.SampleFile`.
DEPTH_KINDS = ('depth', 'nyu_depth', 'depth_mm')
_PNG_START = b'\x89PNG\r\n\x1a\n'
_PNG_END = b'IEND\xaeB`\x82'
_JPEG_START, _JPEG_END = b'\xff\xd8\xff', b'\xff\xd9'
# Every kind of number and text; objects need pickle.
_ARRAY_KINDS = 'biufcmMSUV'


@dataclass(frozen=True, order=True)
class Problem:
    """One problem of a data tree.

    Args:
        kind: ``'missing'``, ``'extra'``, ``'damaged'`` or ``'release'``.
        path: The file.
        detail: Details; empty if ``kind`` is enough.
    """

    kind: str
    path: str
    detail: str = ''

    def __str__(self) -> str:
        return f'{self.kind:8s} {self.path}' + (f'  ({self.detail})' if self.detail else '')


def archive_of(path: str | Path) -> Path:
    """The file that holds a path: of ``ARCHIVE.npz/MEMBER`` the archive."""
    path = Path(path)
    return path.parent if path.parent.suffix == '.npz' else path


def without_file(error: DataError) -> str:
    """The message of an error without the file at its start."""
    return str(error).removeprefix(f'{error.file}: ')


def _expect_size(path: Path, size: int) -> None:
    found = read_ends(path, 1)[2]
    if found != size:
        raise DataError(path, 'size', f'{size} bytes', f'{found} bytes')


def _damaged_image(path: Path, kind: str, size: int) -> DataError:
    return DataError(path, 'image', f'a complete {kind}', f'{size} bytes of it', COPY_AGAIN)


def _check_ending(path: Path, shape: tuple[int, ...]) -> None:
    """Quick check by the file extension."""
    head, tail, size = read_ends(path, 12)
    if path.suffix == '.png':
        if not head.startswith(_PNG_START) or not tail.endswith(_PNG_END):
            raise _damaged_image(path, 'PNG', size)
    elif path.suffix in ('.jpg', '.jpeg'):
        if not head.startswith(_JPEG_START) or _JPEG_END not in tail:
            raise _damaged_image(path, 'JPEG', size)
    elif path.suffix == '.npz':
        # The directory is at the end: a truncated file has none.
        NpzArchive(path).close()
    elif path.suffix == '.npy':
        found = read_npy_shape(path, _ARRAY_KINDS)
        if shape and found != shape:
            raise DataError(path, 'shape', shape, found)


def _check_points(path: Path, shape: tuple[int, ...]) -> None:
    size = read_ends(path, 1)[2]
    if size % 16:
        raise DataError(path, 'size', 'a multiple of 16 bytes', f'{size} bytes')


def _check_depth(path: Path, shape: tuple[int, ...]) -> None:
    _check_ending(path, shape)
    if path.suffix == '.npy' and len(read_npy_shape(path)) != 2:
        raise DataError(path, 'shape', '(H, W)', read_npy_shape(path))


#: Kind of file -> quick check of a file and its shape; others use :func:`_check_ending`.
_QUICK_CHECKS: dict[str, Callable[[Path, tuple[int, ...]], None]] = dict(
    bits=lambda path, shape: _expect_size(path, (prod(shape) + 7) // 8),
    raw_labels=lambda path, shape: _expect_size(path, 2 * prod(shape)),
    words=lambda path, shape: _expect_size(path, 4 * prod(shape)),
    points=_check_points,
    depth=_check_depth,
)
#: Kind of file -> its reader; for other kinds the quick check is complete.
_READERS: dict[str, Callable[[Path, tuple[int, ...]], Any]] = dict(
    image=lambda path, shape: read_rgb(path),
    labels=read_voxel_labels,
    points=lambda path, shape: read_velodyne(path),
    depth=lambda path, shape: read_depth(path),
)


def check_file(
    kind: str,
    path: str | Path,
    shape: Sequence[int] = (),
    thorough: bool = False,
    read: Callable[[], Any] | None = None,
) -> Problem | None:
    """Check one required file.

    Args:
        kind: ``'image'``, ``'bits'``, ``'raw_labels'``, ``'labels'``, ``'words'`` (four bytes per
            voxel), ``'points'``, ``'depth'``, or another kind, whose quick check depends on the
            extension: ``.png``, ``.npy``, ``.npz``.
        path: The file; ``ARCHIVE.npz/MEMBER`` for a part of an archive.
        shape: Shape of the array; empty: any.
        thorough: Read and decode the whole file; otherwise its size, header and end are checked.
        read: Reads the whole file, instead of the reader of its kind.

    Returns:
        The problem, or None.
    """
    path, shape = archive_of(path), tuple(shape)
    if not path.is_file():
        return Problem('missing', str(path))
    try:
        if thorough and read is not None:
            read()
        elif thorough and kind in _READERS:
            _READERS[kind](path, shape)
        else:
            _QUICK_CHECKS.get(kind, _check_ending)(path, shape)
    except DataError as error:
        return Problem('damaged', str(path), without_file(error))
    return None
