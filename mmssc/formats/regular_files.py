"""Read regular files as bytes or text, up to a size; and the errors of damaged archives.

The kind and the size of a file are checked before anything is read: a pipe or a device can block or
never end, and a file of a few bytes on the disk can claim terabytes (a sparse file).
"""

from __future__ import annotations

import csv
import errno
import lzma
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import IO

from mmssc.errors import DataError

__all__ = [
    'ARCHIVE_ERRORS', 'MAX_BYTES', 'MAX_TEXT_BYTES', 'BoundedReader', 'check_file_size',
    'newest_pth_file', 'open_data_file', 'open_regular_file', 'read_bytes', 'read_csv_rows',
    'read_ends', 'read_text',
]  # fmt: skip

#: Largest file that is read as a whole. The largest real one is a fine volume of 480 x 288 x 480
#: numbers, which takes 0.5 GiB in float64.
MAX_BYTES = 2**30
#: Largest text file. The poses of the longest drive take 1 MiB.
MAX_TEXT_BYTES = 16 * 2**20
# Errors that zipfile raises for damaged archives; they have no common base class.
ARCHIVE_ERRORS = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, OSError, ValueError, EOFError,
    LookupError, NotImplementedError, RuntimeError, OverflowError, MemoryError,
)  # fmt: skip


@contextmanager
def open_regular_file(path: str | PathLike[str], expected: str) -> Iterator[IO[bytes]]:
    """Open a regular file for reading. Pipes and devices are refused: they can block or never end.

    Args:
        path: The file.
        expected: What the file should be, for the message if it is missing.

    Raises:
        DataError: The file is missing, cannot be read, or is not a regular file.
    """
    try:
        file = _open_regular(path)
    except DataError:  # it is a ValueError, too
        raise
    except FileNotFoundError:
        newest = newest_pth_file(Path(path).parent) if Path(path).suffix == '.pth' else None
        hint = None if newest is None else f'The newest checkpoint beside it is {newest}'
        raise DataError(path, expected=expected, found='no such file', hint=hint) from None
    except (OSError, ValueError) as error:
        raise DataError(
            path,
            expected='a file that can be read',
            found=_reason(error),
        ) from error
    with file:
        yield file


def newest_pth_file(folder: str | PathLike[str]) -> Path | None:
    """The file ``*.pth`` of a folder that changed last; None if it has none."""
    files = [file for file in Path(folder).glob('*.pth') if file.is_file()]
    return max(files, key=lambda file: file.stat().st_mtime, default=None)


def _reason(error: OSError | ValueError) -> str:
    """Why a file cannot be opened, without the path."""
    if getattr(error, 'errno', None) == errno.ELOOP:
        return 'a link that leads back to itself'
    return getattr(error, 'strerror', None) or str(error)


def _open_regular(path: str | PathLike[str], field: str | None = None) -> IO[bytes]:
    # A named pipe without a writer must not block here.
    flags = os.O_RDONLY | getattr(os, 'O_NONBLOCK', 0) | getattr(os, 'O_BINARY', 0)
    descriptor = os.open(path, flags)
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        hint = 'Give a file in it' if stat.S_ISDIR(mode) else None
        raise DataError(path, field, 'a regular file', _kind_of_file(mode), hint)
    return os.fdopen(descriptor, 'rb')


def _kind_of_file(mode: int) -> str:
    kinds = {
        stat.S_IFDIR: 'a folder', stat.S_IFIFO: 'a named pipe', stat.S_IFSOCK: 'a socket',
        stat.S_IFCHR: 'a device', stat.S_IFBLK: 'a device',
    }  # fmt: skip
    return kinds.get(stat.S_IFMT(mode), 'something else')


class BoundedReader:
    """A file that refuses to read more than ``limit`` bytes at once: lengths in it can lie."""

    def __init__(self, file: IO[bytes], limit: int) -> None:
        self.file, self.limit = file, limit
        self.seek, self.tell, self.readline = file.seek, file.tell, file.readline
        self.seekable = file.seekable

    def read(self, count: int = -1) -> bytes:
        """Read as a file does.

        Raises:
            ValueError: More than ``limit`` bytes are asked for or left.
        """
        asked = self.limit + 1 if count < 0 else count
        content = b'' if count > self.limit else self.file.read(asked)
        if max(count, len(content)) > self.limit:
            raise ValueError(f'a part of more than {self.limit} bytes')
        return content


@contextmanager
def open_data_file(path: str | PathLike[str]) -> Iterator[IO[bytes]]:
    """As :func:`open_regular_file`; an error while the file is read is a DataError, too.

    Raises:
        DataError: The file is missing, cannot be opened or read, or is not a regular file.
    """
    try:
        with _open_regular(path, 'file') as file:
            yield file
    except DataError:  # it is a ValueError, too
        raise
    except FileNotFoundError:
        raise DataError(path, 'file', 'an existing file', 'none') from None
    except (OSError, ValueError) as error:
        raise DataError(path, 'file', 'a readable file', _reason(error)) from error


def check_file_size(file: IO[bytes], path: str | PathLike[str], limit: int = MAX_BYTES) -> int:
    """Size of an open file in bytes.

    Raises:
        DataError: It is empty or larger than ``limit``.
    """
    size = os.fstat(file.fileno()).st_size
    if not size:
        raise DataError(path, 'size', 'more than 0 bytes', '0 bytes')
    if size > limit:
        most = f'{limit // 2**20} MiB' if limit >= 2**20 else f'{limit} bytes'
        raise DataError(path, 'size', f'at most {most}', f'{size} bytes')
    return size


def read_bytes(path: str | PathLike[str], limit: int = MAX_BYTES) -> bytes:
    """Read a file that must exist and not be empty.

    Args:
        path: The file.
        limit: Largest size in bytes.

    Raises:
        DataError: The file is missing, unreadable, not a regular file (a pipe, a device, a folder),
            empty, too large, or changes its size meanwhile.
    """
    with open_data_file(path) as file:
        size = check_file_size(file, path, limit)
        content = file.read(size + 1)
    if len(content) != size:
        hint = 'Wait until the other program has written it'
        raise DataError(path, 'size', f'{size} bytes', 'another size while it was read', hint)
    return content


def read_ends(path: str | PathLike[str], count: int = 4096) -> tuple[bytes, bytes, int]:
    """The first and last ``count`` bytes of a file and its size, for quick checks.

    Raises:
        DataError: As :func:`read_bytes`, but the file can have any size.
    """
    with open_data_file(path) as file:
        head = file.read(count)
        size = file.seek(0, 2)
        file.seek(max(size - count, 0))
        tail = file.read(count)
    if not size:
        raise DataError(path, 'size', 'more than 0 bytes', '0 bytes')
    return head, tail, size


def read_text(path: str | PathLike[str], limit: int = MAX_TEXT_BYTES) -> str:
    """Read an ASCII or UTF-8 text file; the mark that Windows writes at its start is skipped.

    Args:
        path: The file.
        limit: Largest size in bytes.

    Raises:
        DataError: As :func:`read_bytes`, or the file is not text.
    """
    try:
        return read_bytes(path, limit).decode('utf-8-sig')
    except UnicodeDecodeError as error:
        found = f'other bytes (byte {error.start + 1})'
        raise DataError(path, 'encoding', 'UTF-8 text', found) from error


def read_csv_rows(path: str | PathLike[str]) -> list[list[str]]:
    """Read the rows of a CSV file; lines can end as on any system.

    Raises:
        DataError: As :func:`read_text`, there is no line, or a value is very long.
    """
    lines = read_text(path).splitlines()
    if not lines:  # Nothing but the mark at its start.
        raise DataError(path, 'content', 'rows of a .csv', 'no line')
    try:
        return list(csv.reader(lines))
    except csv.Error as error:
        raise DataError(path, 'content', 'rows of a .csv', error) from error
