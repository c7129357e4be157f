"""Read and write ``.npy`` and ``.npz`` files; a bad file raises a :class:`DataError`."""

from __future__ import annotations

import ast
import io
import zipfile
from collections.abc import Mapping, Sequence
from math import prod
from os import PathLike
from types import SimpleNamespace
from typing import IO, Literal

import numpy as np

from mmssc.errors import DataError
from mmssc.file_kinds import HEAD_BYTES, describe_file
from mmssc.fileio import atomic_write

from .regular_files import check_file_size, open_data_file
from .zip_archives import ZipArchive

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
# That of NumPy's own reader; Python's parser takes long for more.
_MAX_HEADER = 10_000
_MAX_DIMENSIONS = 32  # What every version of NumPy can have.
_MAX_COUNT = 2**62

_Header = tuple[tuple[int, ...], np.dtype, Literal['C', 'F']]


def _read_header(file: IO[bytes], size: int, path: str | PathLike[str], kinds: str) -> _Header:
    """Read shape, type and order of an ``.npy`` file of ``size`` bytes; its data comes next."""
    start = file.read(10)
    if not start.startswith(_NPY_MAGIC) or len(start) < 10:
        found = describe_file(start + file.read(HEAD_BYTES))
        raise DataError(path, 'header', 'an .npy array', found.text, found.remedy)
    length = start[8:] if start[6] < 2 else start[8:] + file.read(2)
    header_size = int.from_bytes(length, 'little')
    if header_size > _MAX_HEADER:
        raise DataError(path, 'header', f'at most {_MAX_HEADER} bytes', f'{header_size} bytes')
    shape, dtype, order = _parse_header(file.read(header_size), path)
    if dtype.kind not in kinds:
        expected = ' or '.join(text for kind, text in _KINDS.items() if kind in kinds)
        raise DataError(path, 'dtype', expected, dtype)
    declared = 8 + len(length) + header_size + dtype.itemsize * prod(shape)
    if size != declared:
        raise DataError(path, 'size', f'{declared} bytes', f'{size} bytes')
    return shape, dtype, order


def _parse_header(text: bytes, path: str | PathLike[str]) -> _Header:
    try:
        header = ast.literal_eval(text.decode('latin1').strip())
        shape, kind, fortran_order = header['shape'], header['descr'], header['fortran_order']
        if not isinstance(kind, (str, list)) or not isinstance(fortran_order, bool):
            raise TypeError('a header with other values')
        dtype = np.dtype(kind)
    except (
        ValueError, TypeError, SyntaxError, KeyError, RecursionError, MemoryError, OverflowError,
    ) as error:  # fmt: skip
        raise DataError(path, 'header', 'an .npy header', 'a damaged one') from error
    if not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
        raise DataError(path, 'shape', 'a tuple of sizes', shape)
    count = prod(max(side, 1) for side in shape) * max(dtype.itemsize, 1)
    if len(shape) > _MAX_DIMENSIONS or count > _MAX_COUNT:
        expected = f'at most {_MAX_DIMENSIONS} sizes of an array that fits into memory'
        raise DataError(path, 'shape', expected, 'more or larger ones')
    return shape, dtype, 'F' if fortran_order else 'C'


def _read_array(file: IO[bytes], size: int, path: str | PathLike[str], kinds: str) -> np.ndarray:
    """Read an ``.npy`` file of ``size`` bytes as a read-only array of this machine's byte order."""
    shape, dtype, order = _read_header(file, size, path, kinds)
    wanted = dtype.itemsize * prod(shape)
    content = file.read(wanted)
    if len(content) != wanted:
        raise DataError(path, 'data', f'{wanted} bytes', f'{len(content)} bytes')
    array = np.frombuffer(content, dtype).reshape(shape, order=order)
    if not dtype.isnative:  # torch refuses such arrays.
        array = array.astype(dtype.newbyteorder('='), order='K')
        array.setflags(write=False)
    return array


def read_npy(path: str | PathLike[str], kinds: str = 'fiu') -> np.ndarray:
    """Read an ``.npy`` file; its size must be exactly that in its header.

    Args:
        path: The file.
        kinds: Accepted ``dtype.kind`` letters. Objects are never read (they need pickle).

    Returns:
        The array, read-only.

    Raises:
        DataError: As :func:`~mmssc.formats.regular_files.read_bytes`, or the header, type or size
            is wrong.
    """
    with open_data_file(path) as file:
        return _read_array(file, check_file_size(file, path), path, kinds)


def read_npy_shape(path: str | PathLike[str], kinds: str = 'fiu') -> tuple[int, ...]:
    """Shape of an ``.npy`` file, without reading its data.

    Raises:
        DataError: As :func:`read_npy`.
    """
    with open_data_file(path) as file:
        return _read_header(file, check_file_size(file, path), path, kinds)[0]


def write_npy(path: str | PathLike[str], array: np.ndarray) -> None:
    """Write one array as ``.npy``, atomically."""
    with atomic_write(path) as file:
        # numpy gives a real file to array.tofile(), whose errors do not say why it failed.
        target = SimpleNamespace(write=file.write)
        np.lib.format.write_array(target, np.ascontiguousarray(array), allow_pickle=False)


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
        DataError: As :class:`NpzArchive`, or a required name is missing, or an array has a wrong
            header, type, size or checksum.
    """
    with NpzArchive(path) as archive:
        if not all(key in archive for key in required):
            found = ', '.join(sorted(archive.keys))
            raise DataError(path, 'keys', ', '.join(required), found or 'none')
        keys = [key for key in (*required, *optional) if key in archive]
        return {key: archive.read(key, kinds) for key in keys}


class NpzArchive:
    """An ``.npz`` file that stays open, for reading single arrays of a large file.

    Args:
        path: The file.
        expected: What it should be, for errors.

    Raises:
        DataError: As :class:`~mmssc.formats.zip_archives.ZipArchive`, or an array occurs twice.
    """

    def __init__(self, path: str | PathLike[str], expected: str = 'a complete .npz file') -> None:
        self.path = path
        self._archive = ZipArchive(path, expected)
        #: Names of the arrays.
        self.keys = [name[:-4] for name in self._archive.names if name.endswith('.npy')]
        if len(set(self.keys)) != len(self.keys):
            raise DataError(path, 'keys', 'each array once', 'one of them twice')

    def __contains__(self, key: object) -> bool:
        return f'{key}.npy' in self._archive

    def __enter__(self) -> NpzArchive:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._archive.close()

    def read(self, key: str, kinds: str = 'fiub') -> np.ndarray:
        """One array, read-only.

        Args:
            key: Its name.
            kinds: Accepted ``dtype.kind`` letters.

        Raises:
            DataError: As :func:`read_npz`.
        """
        if key not in self:
            raise DataError(self.path, 'keys', key, f'{len(self.keys)} others')
        name = f'{key}.npy'
        try:
            with self._archive.open(name) as file:
                return _read_array(file, self._archive.size_of(name), self.path, kinds)
        except DataError as error:
            field = key if error.field == name else f'{key}, {error.field}'
            raise DataError(self.path, field, error.expected, error.found, error.hint) from error


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
