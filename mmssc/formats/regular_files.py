"""Opening files from outside, and what damaged archives among them raise."""

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

__all__ = ['ARCHIVE_ERRORS', 'open_regular_file']

# What zipfile raises on damaged archives: it has no common base class.
ARCHIVE_ERRORS = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, OSError, ValueError, EOFError,
    LookupError, NotImplementedError, RuntimeError, OverflowError, MemoryError,
)  # fmt: skip


@contextmanager
def open_regular_file(path: str | PathLike[str], expected: str) -> Iterator[IO[bytes]]:
    """Open a regular file for reading. Pipes and devices are refused: they can wait or never end.

    Args:
        path: The file.
        expected: What the file should be, for the message where there is none.

    Raises:
        DataError: There is no such file, it cannot be read, or it is of another kind.
    """
    try:
        # A named pipe without a writer must not block here.
        flags = os.O_RDONLY | getattr(os, 'O_NONBLOCK', 0) | getattr(os, 'O_BINARY', 0)
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        raise DataError(path, expected=expected, found='no such file') from None
    except (OSError, ValueError) as error:
        raise DataError(
            path,
            expected='a file that can be read',
            found=getattr(error, 'strerror', None) or error,
        ) from error
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise DataError(path, expected='a regular file', found=_kind_of_file(mode))
    with os.fdopen(descriptor, 'rb') as file:
        yield file


def _kind_of_file(mode: int) -> str:
    kinds = {
        stat.S_IFDIR: 'a folder', stat.S_IFIFO: 'a named pipe', stat.S_IFSOCK: 'a socket',
        stat.S_IFCHR: 'a device', stat.S_IFBLK: 'a device',
    }  # fmt: skip
    return kinds.get(stat.S_IFMT(mode), 'something else')
