"""Read files of ``torch.save`` without ``torch.load``.

``torch.load(weights_only=True)`` is safe in the newest versions of torch only. Up to 2.5 it runs
code from a TorchScript archive; up to 2.9 a crafted file damages memory. This module reads the file
with Python's standard library, in the same way on every version.
"""

from __future__ import annotations

import io
import os
import pickle
import struct
import sys
import zipfile
from collections.abc import Callable, Mapping
from os import PathLike
from typing import IO, Any, Union

import torch
from torch import Tensor

from mmssc.errors import DataError, UnsafeCheckpointError
from mmssc.file_kinds import HEAD_BYTES, describe_file

from .nesting import check_nesting
from .regular_files import ARCHIVE_ERRORS, MAX_BYTES, BoundedReader, open_regular_file
from .restricted_pickle import Constructor, RestrictedUnpickler
from .torch_values import PLAIN_TYPES, Storage, StorageKind, TensorBuilder, allowed_names
from .unknown_objects import ForbiddenContentError

__all__ = ['MapLocation', 'read_torch_file']

MapLocation = Union[
    None, str, torch.device, Mapping[str, Union[str, torch.device]], Callable[[Any, str], Any]
]

_EXPECTED = 'a whole file of torch.save'
_HINT = (
    'Only weights and plain values are read; mmssc never runs code from a checkpoint. Its author '
    'can store the weights alone: torch.save(model.state_dict(), FILE)'
)
# Reading a directory takes about ten times its size in memory. 16 MB are enough for 100,000
# members.
_MAX_DIRECTORY = 16 * 2**20
_CHUNK = 2**20
# Room for a billion parameters with their optimiser. A sparse file can claim terabytes.
_MAX_FILE = 16 * 2**30
# Tied weights share a storage. Sixteen is more than any model needs.
_MAX_SHARING = 16
# The legacy format starts with these two, a pickle each.
_LEGACY_MAGIC, _LEGACY_PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
_LITTLE_ENDIAN = sys.byteorder == 'little'


class _LocationError(Exception):
    """The caller's ``map_location`` failed; the file is not the cause."""


class _Storages:
    """The storages that a pickle refers to, and where their tensors go.

    Args:
        map_location: As for ``torch.load``; None is the CPU.
    """

    def __init__(self, map_location: MapLocation) -> None:
        self._map_location = map_location

    def load_persistent(self, identifier: Any) -> Storage:
        """The storage of a persistent id ``('storage', kind, key, location, elements)``."""
        if (
            type(identifier) is not tuple
            or len(identifier) not in (5, 6)
            or identifier[0] != 'storage'
            or not isinstance(identifier[1], StorageKind)
            or any(type(text) is not str for text in identifier[2:4])
            or type(identifier[4]) is not int
            or any(view is not None for view in identifier[5:])
        ):
            raise pickle.UnpicklingError('a reference to something other than a storage')
        _, kind, key, location, elements = identifier[:5]
        content = self.content_of(key, location, elements, kind.element_size)
        if content.numel() != elements * kind.element_size:
            raise pickle.UnpicklingError(
                f'a storage of {content.numel()} bytes, not of {elements} elements of '
                f'{kind.element_size} bytes'
            )
        return Storage(content, kind)

    def content_of(self, key: str, location: str, elements: int, element_size: int) -> Tensor:
        """(N,) uint8: the bytes of a storage; the same tensor for the same key."""
        raise NotImplementedError

    def allocate(self, size: int, location: str) -> Tensor:
        """(size,) uint8, not filled, on the device that ``map_location`` gives."""
        try:
            return self._allocate(size, location)
        except Exception as error:
            if isinstance(error, RuntimeError) and 'allocate' in str(error):
                raise MemoryError(f'a storage of {size} bytes: not enough memory') from error
            raise _LocationError from error

    def _allocate(self, size: int, location: str) -> Tensor:
        target = self._map_location
        if callable(target):
            content = torch.empty(size, dtype=torch.uint8)
            moved = target(content.untyped_storage(), location)
            if moved is None:
                return content
            # The function can return either kind of storage.
            storage: Any = getattr(moved, '_untyped_storage', moved)
            return torch.empty(0, dtype=torch.uint8, device=storage.device).set_(storage)
        device = target.get(location) if isinstance(target, Mapping) else target
        return torch.empty(size, dtype=torch.uint8, device=device or 'cpu')


def _fill(content: Tensor, file: IO[bytes]) -> None:
    """Read as many bytes as the tensor has into it."""
    host = content if content.device.type == 'cpu' else torch.empty_like(content, device='cpu')
    view: Any = memoryview(host.numpy())  # type: ignore[arg-type]
    position = 0
    while position < len(view):
        chunk = file.read(min(_CHUNK, len(view) - position))
        if not chunk:
            raise EOFError(f'a storage of {len(view)} bytes ends after {position}')
        view[position : position + len(chunk)] = chunk
        position += len(chunk)
    if host is not content:
        content.copy_(host)


class _ArchivedStorages(_Storages):
    """Storages that are members of a zip archive."""

    def __init__(self, archive: zipfile.ZipFile, prefix: str, map_location: MapLocation) -> None:
        super().__init__(map_location)
        self._archive, self._prefix = archive, prefix
        self._contents: dict[str, Tensor] = {}

    def content_of(self, key: str, location: str, elements: int, element_size: int) -> Tensor:
        if key not in self._contents:
            member = self._archive.getinfo(f'{self._prefix}data/{key}')
            content = self.allocate(member.file_size, location)
            with self._archive.open(member) as file:
                _fill(content, file)
            self._contents[key] = content
        return self._contents[key]


class _FollowingStorages(_Storages):
    """Storages that follow the pickle, one after the other, as torch before 1.6 wrote them."""

    def __init__(self, bytes_left: int, map_location: MapLocation) -> None:
        super().__init__(map_location)
        self._bytes_left = bytes_left
        self._contents: dict[str, tuple[Tensor, int]] = {}

    def content_of(self, key: str, location: str, elements: int, element_size: int) -> Tensor:
        if key not in self._contents:
            size = elements * element_size
            self._bytes_left -= size
            if elements < 0 or self._bytes_left < 0:
                raise pickle.UnpicklingError('storages that are larger than the file')
            self._contents[key] = self.allocate(size, location), elements
        return self._contents[key][0]

    def fill(self, keys: Any, file: IO[bytes]) -> None:
        """Read the storages; the file gives each one's number of elements before it."""
        if type(keys) is not list or not all(type(key) is str for key in keys):
            raise pickle.UnpicklingError('storage keys that are not a list of strings')
        if sorted(keys) != sorted(self._contents):
            raise pickle.UnpicklingError(
                'a list of storages that differs from the storages its tensors use'
            )
        for key in keys:
            content, expected = self._contents[key]
            (elements,) = struct.unpack('<q', file.read(8))
            if elements != expected:
                raise pickle.UnpicklingError(f'a storage of {elements} elements, not {expected}')
            _fill(content, file)


def read_torch_file(
    source: str | PathLike[str] | IO[bytes],
    map_location: MapLocation = 'cpu',
    names: Mapping[str, Any] | None = None,
    sizes: Mapping[type, Callable[[Any], int]] | None = None,
    leave_out: Callable[[Any], None] | None = None,
) -> Any:
    """Read a file of ``torch.save``: tensors and plain values. Everything else is refused.

    Args:
        source: Path of a regular file, or a file that is open for binary reading and can seek.
        map_location: Where the tensors go, as for ``torch.load``: a device, a dict of devices, or a
            function of storage and location. None is the CPU; so is a location without an entry in
            the dict.
        names: Further names that the pickle may use, see :class:`RestrictedUnpickler`.
        sizes: The types of the values that these names make -> size of such a value in bytes.
        leave_out: Removes the parts of the content that hold an ``UnknownObject``, which then
            stands for everything that is neither a tensor nor a plain value. None refuses the file.

    Returns:
        The stored value. Shared storages stay shared.

    Raises:
        UnsafeCheckpointError: The file contains something that weights do not need.
        DataError: It is missing, not a regular file, not of ``torch.save``, damaged, or would take
            far more memory than its size.
    """
    for device in map_location.values() if isinstance(map_location, Mapping) else [map_location]:
        if isinstance(device, (str, torch.device)):
            torch.empty(0, device=device)  # A device that is not there is no fault of the file.
    if not isinstance(source, (str, PathLike)):
        return _read(source, 'open file', map_location, names or {}, sizes, leave_out)
    path = os.fspath(source)
    with open_regular_file(path, 'a checkpoint') as file:
        return _read(file, path, map_location, names or {}, sizes, leave_out)


def _read(
    file: IO[bytes],
    name: str,
    map_location: MapLocation,
    names: Mapping[str, Any],
    sizes: Mapping[type, Callable[[Any], int]] | None,
    leave_out: Callable[[Any], None] | None,
) -> Any:
    try:
        start = file.tell()
        size = file.seek(0, os.SEEK_END) - start
        file.seek(start)
        if size > _MAX_FILE:
            found = f'{size} bytes'
            raise DataError(name, 'size', f'at most {_MAX_FILE // 2**30} GiB', found)
        head = file.read(HEAD_BYTES)
        file.seek(start)
        names = {**allowed_names(TensorBuilder(_max_content(size))), **names}
        if head.startswith(b'PK\x03\x04'):
            content = _read_archive(file, name, size, map_location, names, leave_out is not None)
        elif head.startswith(b'\x80'):
            content = _read_legacy(file, size, map_location, names, leave_out is not None)
        else:
            kind = describe_file(head)
            raise DataError(name, None, _EXPECTED, kind.text, kind.remedy)
        if leave_out is not None:
            leave_out(content)
        check_nesting(content, PLAIN_TYPES, _max_content(size), sizes)
        return content
    except DataError:
        raise
    except _LocationError as error:
        raise error.__cause__ or error from None
    except ForbiddenContentError as error:
        found = _one_line(error.found)
        raise UnsafeCheckpointError(name, None, 'weights', found, _HINT) from error
    except zipfile.BadZipFile as error:
        found = f'an archive that is cut off or damaged ({_one_line(str(error))})'
        raise DataError(name, None, _EXPECTED, found, 'Download or copy it again') from error
    except (pickle.UnpicklingError, *ARCHIVE_ERRORS) as error:
        found = _one_line(str(error) or type(error).__name__)
        raise DataError(name, expected=_EXPECTED, found=found) from error


def _max_content(size: int) -> int:
    """Limit of the total size of the values in a file of this size, in bytes."""
    return _MAX_SHARING * size + 2**20


def _one_line(text: str) -> str:
    """The first 200 characters of the first line: a file may choose the text."""
    return text.split('\n')[0][:200]


def _read_archive(
    file: IO[bytes],
    name: str,
    size: int,
    map_location: MapLocation,
    names: Mapping[str, Any],
    keep_unknown: bool,
) -> Any:
    reader: Any = BoundedReader(file, _MAX_DIRECTORY)
    with zipfile.ZipFile(reader) as archive:
        prefix = _check_members(archive.infolist(), size, name)
        reader.limit = min(size, MAX_BYTES)
        if f'{prefix}byteorder' in archive.namelist():
            _check_byte_order(archive.read(f'{prefix}byteorder').decode(), name)
        storages = _ArchivedStorages(archive, prefix, map_location)
        unpickler = RestrictedUnpickler(
            names, storages.load_persistent, _max_content(size), keep_unknown
        )
        return unpickler.load(io.BytesIO(archive.read(f'{prefix}data.pkl')))


def _check_byte_order(order: str, name: str) -> None:
    if order != sys.byteorder:
        raise DataError(name, 'byte order', f'{sys.byteorder}, as on this machine', f'{order:.20}')


def _check_members(members: list[zipfile.ZipInfo], size: int, name: str) -> str:
    """Refuse archives that ``torch.save`` does not write.

    Returns:
        The common start of the names of all members.

    Raises:
        UnsafeCheckpointError: It is TorchScript.
        DataError: A member is compressed or occurs twice, the members are larger than the file, or
            it is not an archive of torch.
    """
    names = [member.filename for member in members]
    if any(member.endswith('/constants.pkl') or '/code/' in member for member in names):
        raise UnsafeCheckpointError(
            name, None, 'weights', 'a TorchScript archive, which holds a program', _HINT
        )
    pickles = [member for member in names if member.endswith('/data.pkl')]
    if len(pickles) != 1:
        found = f'a zip archive with {len(pickles)} members named data.pkl'
        if not pickles:
            some = ', '.join(one[:60] for one in names[:3]) or 'nothing'
            found = f'a zip archive of something else (it holds {some})'
        raise DataError(
            name, None, _EXPECTED, found, 'If a checkpoint is in it, unpack it, and give that file'
        )
    if len(set(names)) != len(names):
        raise DataError(name, None, _EXPECTED, 'an archive that holds a member twice')
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise DataError(
            name, None, 'an archive without compression', 'a compressed one',
            'Unpack it, and pack it again without compression: zip -0 -r NEW.pth FOLDER',
        )  # fmt: skip
    if sum(member.file_size for member in members) > size:
        raise DataError(name, None, _EXPECTED, 'members that are larger than the file')
    return pickles[0][: -len('data.pkl')]


def _read_legacy(
    file: IO[bytes],
    size: int,
    map_location: MapLocation,
    names: Mapping[str, Any],
    keep_unknown: bool,
) -> Any:
    """The format before torch 1.6: five pickles, then the storages, one after the other."""
    reader: Any = BoundedReader(file, min(size, MAX_BYTES))
    plain = RestrictedUnpickler({})
    # A file of another program can end after its first pickle.
    if plain.load(reader) != _LEGACY_MAGIC or plain.load(reader) != _LEGACY_PROTOCOL:
        raise pickle.UnpicklingError('a pickle that torch.save did not write')
    system = plain.load(reader)
    if not isinstance(system, dict) or system.get('little_endian') is not _LITTLE_ENDIAN:
        raise pickle.UnpicklingError('numbers in another byte order than this machine has')
    storages = _FollowingStorages(size, map_location)
    start = reader.tell()
    # The storages follow the pickle. The first pass lists them, the second makes the tensors.
    options = (storages.load_persistent, _max_content(size), keep_unknown)
    RestrictedUnpickler(_without_values(names), *options).load(reader)
    storages.fill(plain.load(reader), file)
    reader.seek(start)
    return RestrictedUnpickler(names, *options).load(reader)


def _without_values(names: Mapping[str, Any]) -> dict[str, Any]:
    """The same names, but each call makes an empty dict."""
    stub = Constructor(lambda *_: {}, lambda *_: None)
    return {name: stub if type(value) is Constructor else value for name, value in names.items()}
