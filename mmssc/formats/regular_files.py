"""Read regular files as bytes or text; and the errors of damaged archives."""

from __future__ import annotations

import lzma
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from typing import IO

from mmssc.errors import DataError

__all__ = ['ARCHIVE_ERRORS', 'open_regular_file', 'read_bytes', 'read_ends', 'read_text']

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
        raise DataError(path, expected=expected, found='no such file') from None
    except (OSError, ValueError) as error:
        raise DataError(
            path,
            expected='a file that can be read',
            found=getattr(error, 'strerror', None) or error,
        ) from error
    with file:
        yield file


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


@contextmanager
def _opened(path: str | PathLike[str]) -> Iterator[IO[bytes]]:
    """Open a regular file; errors while opening or reading have the field ``file``."""
    try:
        with _open_regular(path, 'file') as file:
            yield file
    except DataError:  # it is a ValueError, too
        raise
    except FileNotFoundError:
        raise DataError(path, 'file', 'an existing file', 'none') from None
    except (OSError, ValueError) as error:
        raise DataError(path, 'file', 'a readable file', error) from error


def read_bytes(path: str | PathLike[str]) -> bytes:
    """Read a file that must exist and not be empty.

    Raises:
        DataError: The file is missing, unreadable, not a regular file (a pipe, a device, a folder),
            or empty.
    """
    with _opened(path) as file:
        content = file.read()
    if not content:
        raise DataError(path, 'size', 'more than 0 bytes', '0 bytes')
    return content


def read_ends(path: str | PathLike[str], count: int = 4096) -> tuple[bytes, bytes, int]:
    """The first and last ``count`` bytes of a file and its size, for quick checks.

    Raises:
        DataError: As :func:`read_bytes`.
    """
    with _opened(path) as file:
        head = file.read(count)
        size = file.seek(0, 2)
        file.seek(max(size - count, 0))
        tail = file.read(count)
    if not size:
        raise DataError(path, 'size', 'more than 0 bytes', '0 bytes')
    return head, tail, size


def read_text(path: str | PathLike[str]) -> str:
    """Read an ASCII or UTF-8 text file.

    Raises:
        DataError: As :func:`read_bytes`, or the file is not text.
    """
    try:
        return read_bytes(path).decode('utf-8')
    except UnicodeDecodeError as error:
        raise DataError(path, 'encoding', 'UTF-8 text', error) from error
