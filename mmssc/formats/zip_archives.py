"""Read the members of zip archives, up to a size.

A zip archive of a few kilobytes can unpack to terabytes, and the sizes in it can lie. Everything
that its directory says is checked before a member is unpacked, and no member gives more bytes than
the directory says.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from os import PathLike
from typing import IO, Any

from mmssc.errors import DataError
from mmssc.file_kinds import HEAD_BYTES, FileKind, describe_file

from .regular_files import ARCHIVE_ERRORS, MAX_BYTES, BoundedReader, check_file_size, open_data_file

__all__ = ['ZipArchive']

# Reading a directory takes about ten times its size in memory. This is enough for 800,000 members,
# the cache of 100,000 RGB-D frames.
_MAX_DIRECTORY = 64 * 2**20
# Room for 100,000 frames. A sparse file can claim terabytes.
_MAX_ARCHIVE = 2**40
_ENCRYPTED = 1  # A bit of the flags of a member.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class ZipArchive:
    """A zip archive that is open for reading.

    Args:
        path: The file.
        expected: What it should be, for errors.

    Raises:
        DataError: The file is missing, not a regular file, not a zip archive or damaged, its
            directory is too large, or its members overlap.
    """

    def __init__(self, path: str | PathLike[str], expected: str) -> None:
        self.path = path
        with ExitStack() as stack:
            file = stack.enter_context(open_data_file(path))
            size = check_file_size(file, path, _MAX_ARCHIVE)
            reader: Any = BoundedReader(file, _MAX_DIRECTORY)
            with self._errors('archive', expected, file):
                self._archive = stack.enter_context(zipfile.ZipFile(reader))
                members = [one for one in self._archive.infolist() if not one.is_dir()]
                if sum(one.compress_size for one in members) > size:
                    raise ValueError('members that overlap')
            reader.limit = MAX_BYTES
            self._open_files = stack.pop_all()
        #: Names of the members in their order; a damaged archive can hold a name twice.
        self.names = [one.filename for one in members]
        self._members = {one.filename: one for one in members}

    def __enter__(self) -> ZipArchive:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._open_files.close()

    def __contains__(self, name: object) -> bool:
        return name in self._members

    def size_of(self, name: str) -> int:
        """Size of a member in bytes, as the directory says."""
        return self._members[name].file_size

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """Open a member. ``read(n)`` unpacks at most ``n`` bytes; without ``n`` it may unpack more.

        Args:
            name: The member.

        Raises:
            DataError: The member has a password, another compression than zip's usual one, more
                than 1 GiB, or is damaged.
        """
        member = self._members[name]
        if member.flag_bits & _ENCRYPTED:
            hint = 'Unpack it, and pack it again without a password'
            raise DataError(self.path, name, 'a member without a password', 'one with it', hint)
        if member.compress_type not in _METHODS:
            hint = 'Unpack it, and pack it again with another program'
            raise DataError(self.path, name, 'no compression, or deflate', 'another one', hint)
        if member.file_size > MAX_BYTES:
            found = f'{member.file_size} bytes'
            raise DataError(self.path, name, f'at most {MAX_BYTES // 2**20} MiB', found)
        with self._errors(name, 'undamaged content'), self._archive.open(member) as file:
            yield file

    def read(self, name: str) -> bytes:
        """The whole content of a member.

        Raises:
            DataError: As :meth:`open`.
        """
        with self.open(name) as file:
            content = file.read(self.size_of(name))
            if len(content) != self.size_of(name):
                raise EOFError('a member that ends too early')
        return content

    @contextmanager
    def _errors(self, field: str, expected: str, file: IO[bytes] | None = None) -> Iterator[None]:
        """Turn errors of zipfile into one that names what is damaged, or what ``file`` is."""
        try:
            yield
        except DataError:  # it is a ValueError, too
            raise
        except ARCHIVE_ERRORS as error:
            found = FileKind('a damaged or incomplete one')
            if file is not None:
                file.seek(0)
                head = file.read(HEAD_BYTES)
                found = found if head.startswith(b'PK') else describe_file(head)
            raise DataError(self.path, field, expected, found.text, found.remedy) from error
