"""Checks of single files: quick ones from size and header, thorough ones by reading all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

from mmssc.errors import DataError
from mmssc.formats.images import read_rgb
from mmssc.formats.kitti import read_depth, read_velodyne, read_voxel_labels
from mmssc.formats.numpy_arrays import read_npy_shape
from mmssc.formats.regular_files import read_ends

__all__ = ['Problem', 'check_file']

_PNG_START = b'\x89PNG\r\n\x1a\n'
_PNG_END = b'IEND\xaeB`\x82'


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong with a tree.

    Args:
        kind: ``'missing'``, ``'extra'``, ``'damaged'`` or ``'release'``.
        path: The file.
        detail: What is wrong, empty where ``kind`` says all.
    """

    kind: str
    path: str
    detail: str = ''

    def __str__(self) -> str:
        return f'{self.kind:8s} {self.path}' + (f'  ({self.detail})' if self.detail else '')


def _expect_size(path: Path, size: int) -> None:
    found = read_ends(path, 1)[2]
    if found != size:
        raise DataError(path, 'size', f'{size} bytes', f'{found} bytes')


def _check_image(path: Path, thorough: bool) -> None:
    if thorough:
        read_rgb(path)
        return
    head, tail, size = read_ends(path, 12)
    if not head.startswith(_PNG_START) or not tail.endswith(_PNG_END):
        raise DataError(path, 'image', 'a complete PNG', f'{size} bytes that are none')


def _check_points(path: Path, thorough: bool) -> None:
    if thorough:
        read_velodyne(path)
        return
    size = read_ends(path, 1)[2]
    if size % 16:
        raise DataError(path, 'size', 'a multiple of 16 bytes', f'{size} bytes')


def _check_labels(path: Path, shape: tuple[int, ...], thorough: bool) -> None:
    if thorough:
        read_voxel_labels(path, shape)
    elif read_npy_shape(path) != shape:
        raise DataError(path, 'shape', shape, read_npy_shape(path))


def _check_depth(path: Path, thorough: bool) -> None:
    if thorough:
        read_depth(path)
    elif path.suffix == '.png':
        _check_image(path, False)
    elif len(read_npy_shape(path, 'f')) != 2:
        raise DataError(path, 'shape', '(H, W)', read_npy_shape(path, 'f'))


def check_file(
    kind: str, path: str | Path, shape: Sequence[int] = (), thorough: bool = False
) -> Problem | None:
    """Check one file that has to be there.

    Args:
        kind: ``'image'``, ``'bits'``, ``'raw_labels'``, ``'labels'``, ``'points'`` or ``'depth'``.
        path: The file.
        shape: (X, Y, Z) of a volume.
        thorough: Read and decode the whole file; otherwise its size, header and end are checked.

    Returns:
        What is wrong, or None.
    """
    path, shape = Path(path), tuple(shape)
    if not path.is_file():
        return Problem('missing', str(path))
    try:
        if kind == 'image':
            _check_image(path, thorough)
        elif kind == 'bits':
            _expect_size(path, (prod(shape) + 7) // 8)
        elif kind == 'raw_labels':
            _expect_size(path, 2 * prod(shape))
        elif kind == 'labels':
            _check_labels(path, shape, thorough)
        elif kind == 'points':
            _check_points(path, thorough)
        elif kind == 'depth':
            _check_depth(path, thorough)
        else:
            raise ValueError(f'unknown kind of file: {kind!r}')
    except DataError as error:
        return Problem('damaged', str(path), f'{error.field}: expected {error.expected}, '
                       f'found {error.found}')  # fmt: skip
    return None
