"""Read and write ``.npy`` and ``.npz`` files; a bad file raises a :class:`DataError`."""

from __future__ import annotations

import ast
import io
import zipfile
from collections.abc import Mapping, Sequence
from math import prod
from os import PathLike
from typing import Literal

import numpy as np

from mmssc.errors import DataError
from mmssc.file_kinds import HEAD_BYTES, describe_file
from mmssc.fileio import atomic_write

from .regular_files import ARCHIVE_ERRORS, read_bytes, read_ends

__all__ = [
    'NpzArchive', 'read_npy', 'read_npy_shape', 'read_npz', 'write_npy', 'write_npz',
    'write_npz_member',
]  # fmt: skip

_KINDS = {
    'f': 'floating-point numbers', 'i': 'whole numbers', 'u': 'whole numbers from 0 on',
    'b': 'true or false', 'c': 'complex numbers', 'm': 'durations', 'M': 'dates', 'S': 'bytes',
    'U': 'text', 'V': 'records',
}  # fmt: skip
_NPY_MAGIC = b'\x93NUMPY'


def _parse_npy_header(
    start: bytes, file_size: int, path: str | PathLike[str], kinds: str
) -> tuple[tuple[int, ...], np.dtype, Literal['C', 'F'], int]:
    """Parse and check shape, type, order and data offset of an ``.npy`` file."""
    if not start.startswith(_NPY_MAGIC) or len(start) < 12:
        found = describe_file(start[:HEAD_BYTES])
        raise DataError(path, 'header', 'an .npy array', found.text, found.remedy)
    length_end = 12 if start[6] >= 2 else 10
    offset = length_end + int.from_bytes(start[8:length_end], 'little')
    try:
        header = ast.literal_eval(start[length_end:offset].decode('latin1').strip())
        shape, dtype = header['shape'], np.dtype(header['descr'])
        order: Literal['C', 'F'] = 'F' if header['fortran_order'] else 'C'
    except (ValueError, TypeError, SyntaxError, KeyError, RecursionError, MemoryError) as error:
        raise DataError(path, 'header', 'an .npy header', 'a damaged one') from error
    if dtype.kind not in kinds:
        expected = ' or '.join(text for kind, text in _KINDS.items() if kind in kinds)
        raise DataError(path, 'dtype', expected, dtype)
    if not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
        raise DataError(path, 'shape', 'a tuple of sizes', shape)
    expected = offset + dtype.itemsize * prod(shape)
    if file_size != expected:
        raise DataError(path, 'size', f'{expected} bytes', f'{file_size} bytes')
    return shape, dtype, order, offset


def read_npy(path: str | PathLike[str], kinds: str = 'fiu') -> np.ndarray:
    """Read an ``.npy`` file; its size must be exactly that in its header.

    Args:
        path: The file.
        kinds: Accepted ``dtype.kind`` letters. Objects are never read (they need pickle).

    Raises:
        DataError: As :func:`read_bytes`, or the header, type or size is wrong.
    """
    content = read_bytes(path)
    shape, dtype, order, offset = _parse_npy_header(content, len(content), path, kinds)
    return np.frombuffer(content, dtype, offset=offset).reshape(shape, order=order)


def read_npy_shape(path: str | PathLike[str], kinds: str = 'fiu') -> tuple[int, ...]:
    """Shape of an ``.npy`` file, without reading its data.

    Raises:
        DataError: As :func:`read_npy`.
    """
    head, _, size = read_ends(path)
    return _parse_npy_header(head, size, path, kinds)[0]


def write_npy(path: str | PathLike[str], array: np.ndarray) -> None:
    """Write one array as ``.npy``, atomically."""
    with atomic_write(path) as file:
        np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)


def read_npz(
    path: str | PathLike[str],
    required: Sequence[str],
    optional: Sequence[str] = (),
    kinds: str = 'fiub',
) -> dict[str, np.ndarray]:
    """Read arrays of an ``.npz`` file, compressed or not; other arrays are not decoded.

    Args:
        path: The file.
        required: Required names.
        optional: Names that are read if present.
        kinds: Accepted ``dtype.kind`` letters. Objects are never read (they need pickle).

    Returns:
        Name -> array, read-only.

    Raises:
        DataError: As :func:`read_bytes`, or the archive is damaged, a required name is missing, or
            an array has a wrong header, type, size or checksum.
    """
    content = read_bytes(path)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = archive.namelist()
            keys = [key for key in (*required, *optional) if f'{key}.npy' in names]
            members = {key: archive.read(f'{key}.npy') for key in keys}
    except ARCHIVE_ERRORS as error:
        raise DataError(
            path, 'archive', 'a complete .npz file', 'a damaged or incomplete one'
        ) from error
    if not set(required) <= set(members):
        found = ', '.join(sorted(name[:-4] for name in names if name.endswith('.npy')))
        raise DataError(path, 'keys', ', '.join(required), found or 'none')
    return {key: _parse_member(member, key, path, kinds) for key, member in members.items()}


def _parse_member(
    member: bytes, key: str, path: str | PathLike[str], kinds: str = 'fiub'
) -> np.ndarray:
    try:
        shape, dtype, order, offset = _parse_npy_header(member, len(member), path, kinds)
    except DataError as error:
        field = f'{key}, {error.field}'
        raise DataError(path, field, error.expected, error.found, error.hint) from error
    return np.frombuffer(member, dtype, offset=offset).reshape(shape, order=order)


class NpzArchive:
    """An ``.npz`` file that stays open, for reading single arrays of a large file.

    Args:
        path: The file.

    Raises:
        DataError: As :func:`read_bytes`, or the archive is damaged.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = path
        read_ends(path)
        try:
            self._archive = zipfile.ZipFile(path)
        except ARCHIVE_ERRORS as error:
            raise DataError(
                path, 'archive', 'a complete .npz file', 'a damaged or incomplete one'
            ) from error

    def __contains__(self, key: str) -> bool:
        return f'{key}.npy' in self._archive.NameToInfo

    def read(self, key: str) -> np.ndarray:
        """One array, read-only.

        Raises:
            DataError: As :func:`read_npz`.
        """
        if key not in self:
            raise DataError(self.path, 'keys', key, f'{len(self._archive.NameToInfo)} others')
        try:
            member = self._archive.read(f'{key}.npy')
        except ARCHIVE_ERRORS as error:
            raise DataError(self.path, key, 'an undamaged array', 'a damaged one') from error
        return _parse_member(member, key, self.path)


def write_npz(path: str | PathLike[str], arrays: Mapping[str, np.ndarray]) -> None:
    """Write named arrays as a compressed ``.npz``, atomically."""
    with atomic_write(path) as file, zipfile.ZipFile(file, 'w', zipfile.ZIP_DEFLATED) as archive:
        for key, array in arrays.items():
            write_npz_member(archive, key, array)


def write_npz_member(
    archive: zipfile.ZipFile, key: str, array: np.ndarray, level: int | None = None
) -> None:
    """Add one array to an ``.npz`` archive.

    Args:
        archive: Open for writing.
        key: Name of the array.
        array: Its content.
        level: Compression level, 1 (fast) to 9 (small); None: zlib's default.
    """
    content = io.BytesIO()
    np.lib.format.write_array(content, np.ascontiguousarray(array), allow_pickle=False)
    # A fixed time: the same arrays give the same bytes.
    member = zipfile.ZipInfo(f'{key}.npy', (1980, 1, 1, 0, 0, 0))
    archive.writestr(member, content.getbuffer(), zipfile.ZIP_DEFLATED, level)
