"""Files as an attacker would write them, which torch.save itself does not write."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

LEGACY_MAGIC, LEGACY_PROTOCOL = 0x1950A86A20F9469CFC6C, 1001


class Calls:
    """Pickles as a call of ``function``, and as a state for its result if there is one."""

    def __init__(self, function: Any, *arguments: Any, state: Any = None) -> None:
        self.reduced = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self) -> tuple:
        return self.reduced


class StorageId:
    """What torch.save writes for a storage: a reference to bytes that stand elsewhere."""

    def __init__(self, kind: Any, elements: Any, key: Any = '0', location: Any = 'cpu') -> None:
        self.identifier = ('storage', kind, key, location, elements)


class _Pickler(pickle._Pickler):
    def persistent_id(self, value: Any) -> Any:
        return value.identifier if isinstance(value, StorageId) else None


def pickled(value: Any, protocol: int = 2) -> bytes:
    """A pickle in which a :class:`StorageId` is a reference to a storage."""
    content = io.BytesIO()
    _Pickler(content, protocol).dump(value)
    return content.getvalue()


def write_archive(
    path: Path, program: bytes, storages: dict[str, bytes] | None = None, **members: bytes
) -> Path:
    """A zip archive as torch.save writes it, around any pickle.

    Args:
        path: File to write.
        program: The pickle.
        storages: Key -> bytes.
        members: Further members of the archive.
    """
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('archive/data.pkl', program)
        for key, content in (storages or {}).items():
            archive.writestr(f'archive/data/{key}', content)
        for name, content in members.items():
            archive.writestr(f'archive/{name}', content)
    return path


def write_legacy(
    path: Path, program: bytes, storages: dict[str, tuple[int, bytes]] | None = None
) -> Path:
    """A file as torch before 1.6 wrote it, around any pickle.

    Args:
        path: File to write.
        program: The pickle.
        storages: Key -> number of elements and bytes.
    """
    storages = storages or {}
    system = dict(protocol_version=LEGACY_PROTOCOL, little_endian=True, type_sizes={})
    header = [pickle.dumps(value, 2) for value in (LEGACY_MAGIC, LEGACY_PROTOCOL, system)]
    parts = [*header, program, pickle.dumps(sorted(storages), 2)]
    for key in sorted(storages):
        elements, content = storages[key]
        parts += [elements.to_bytes(8, 'little', signed=True), content]
    path.write_bytes(b''.join(parts))
    return path
