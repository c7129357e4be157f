"""Versions of mmssc to compare: a folder, or a commit of the clone that runs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from zipfile import ZipFile

import mmssc
from mmssc.errors import DataError
from mmssc.temporary_files import temporary_folder

__all__ = ['OWN_FOLDER', 'Version', 'open_version']

#: The folder that holds the package ``mmssc`` of this process.
OWN_FOLDER = Path(mmssc.__file__ or '').resolve().parents[1]


@dataclass(frozen=True)
class Version:
    """A version of mmssc.

    Args:
        name: What the tables call it.
        folder: It holds the package ``mmssc``.
        environment: Environment variables of its processes, beside those of this process.
        amp: Whether it computes in mixed precision where the comparison asks for it.
    """

    name: str
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    amp: bool = True

    def config(self, path: Path) -> Path:
        """The file of this version for a config of this clone; other configs are the same file.

        Raises:
            DataError: This version has no such config.
        """
        found = self._own(path)
        if found != path.resolve() and not found.is_file():
            name = found.relative_to(self.folder)
            hint = 'Give a config that both versions have'
            raise DataError('--against', str(name), f'this config in {self.name}', 'none', hint)
        return found

    def python_path(self, text: str) -> str:
        """``PYTHONPATH`` of its processes: folders of this clone become those of this version.

        So a project that ``custom_imports`` names is that of this version.
        """
        entries = [entry for entry in text.split(os.pathsep) if entry]
        return os.pathsep.join(str(self._own(Path(entry))) for entry in entries)

    def _own(self, path: Path) -> Path:
        path = path.resolve()
        inside = path.is_relative_to(OWN_FOLDER)
        return self.folder / path.relative_to(OWN_FOLDER) if inside else path


@contextmanager
def open_version(
    name: str, environment: dict[str, str] | None = None, amp: bool = True
) -> Iterator[Version]:
    """Find a version; the files of a commit lie in a temporary folder inside ``with``.

    Args:
        name: A folder, or a commit, tag or branch of the clone that runs.
        environment: See :class:`Version`.
        amp: See :class:`Version`.

    Raises:
        DataError: It is neither.
    """
    folder = Path(name)
    if (folder / 'mmssc/__init__.py').is_file():
        yield Version(name, folder.resolve(), environment or {}, amp)
        return
    with temporary_folder() as scratch:
        archive, files = scratch / 'commit.zip', scratch / 'files'
        call = ['git', '-C', str(OWN_FOLDER), 'archive', '--format=zip', f'--output={archive}']
        try:
            subprocess.run([*call, '--', f'{name}^{{commit}}'], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            expected = 'a folder with the package mmssc, or a commit, tag or branch of this clone'
            raise DataError('--against', None, expected, name) from error
        with ZipFile(archive) as opened:
            opened.extractall(files)
        yield Version(name, files, environment or {}, amp)
