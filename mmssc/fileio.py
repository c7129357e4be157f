"""Write files so that nothing is lost: whole or not at all, and never over files of others."""

from __future__ import annotations

import errno
import json
import os
import re
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import IO

from mmssc.errors import DataError
from mmssc.temporary_files import (
    is_temporary,
    lock_folder,
    remove_stale_files,
    share_folder,
    temporary_path,
)

__all__ = [
    'atomic_write',
    'check_output_folder',
    'check_outputs',
    'check_writable',
    'lock_folder',
    'note_outputs',
    'output_folder',
    'remove_stale_files',
    'share_folder',
    'temporary_path',
]

_BINARY = getattr(os, 'O_BINARY', 0)
# Which command wrote which files of a folder.
_NOTES_NAME = '.mmssc-outputs'
_MAX_NOTES = 1 << 26  # bytes
_OTHER_NAME = 'Choose another name or folder for the output'
# Outputs of this process that are not written yet -> the command.
_EXPECTED: dict[Path, str] = {}
# Outputs that did not exist at the check and are not written yet.
_NEW: set[Path] = set()
# Named pipes that are open for writing since the check: the reader would end if they were closed.
_PIPES: dict[Path, int] = {}
# Names of open files of this process.
_OPEN_FILE = re.compile(r'/dev/(?:stdout|stderr|fd/(\d+))|/proc/self/fd/(\d+)')


@contextmanager
def atomic_write(path: str | PathLike[str], mode: str = 'wb') -> Iterator[IO]:
    """Open a temporary file beside ``path`` and rename it to ``path`` on success.

    The parent folder is created. If the body raises or the process dies, ``path`` does not change.
    After an exception the temporary file is removed. An expected output is noted when it is
    written, see :func:`note_outputs`. A new output of :func:`check_outputs` replaces no file that
    another process has written meanwhile. A link stays: the file that it names changes. An existing
    file keeps its permissions. A device or a pipe is written to directly.

    Args:
        path: Final name of the file.
        mode: ``'wb'`` or ``'w'`` (UTF-8).

    Raises:
        OSError: The file cannot be written; the error names ``path``.
        DataError: No process reads the named pipe ``path``, or the file is new since the check.
    """
    path = Path(path)
    with _named(path):
        found = path.stat() if path.exists() else None
    if _OPEN_FILE.fullmatch(str(path)) or (found and not stat.S_ISREG(found.st_mode)):
        with _named(path), _open_special(path, mode) as file:
            yield file
        return
    target = Path(os.path.realpath(path))
    with _named(path):
        if target.is_symlink():
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        if found and not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = temporary_path(target)
        # The kernel applies the umask to the permissions of a new file.
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o666)
    try:
        with _named(path):
            with os.fdopen(descriptor, mode, encoding=None if 'b' in mode else 'utf-8') as file:
                if found:
                    os.chmod(temporary, stat.S_IMODE(found.st_mode))
                yield file
            _place(temporary, target, path)
        _note_written(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Name ``path`` in errors that have no file name or that of a temporary file."""
    try:
        yield
    except OSError as error:
        if error.errno is None or not (error.filename is None or is_temporary(error.filename)):
            raise
        raise type(error)(error.errno, error.strerror, str(path)) from error


def _place(temporary: Path, target: Path, path: Path) -> None:
    """Rename a finished file to ``target``, the real name of ``path``."""
    absolute = Path(os.path.abspath(path))
    if absolute not in _NEW:
        os.replace(temporary, target)
        return
    try:
        # Unlike a rename, it never replaces a file.
        os.link(temporary, target)
    except OSError as error:
        # A disk may have no links.
        if os.path.lexists(target):
            found = 'one that another process has written since the start'
            raise DataError(path, None, 'a new file', found, _OTHER_NAME) from error
        os.replace(temporary, target)
    else:
        temporary.unlink()
    _NEW.remove(absolute)


def _open_special(path: Path, mode: str) -> IO:
    """Open a device, a pipe or an open file of this process; a folder raises an error."""
    if match := _OPEN_FILE.fullmatch(str(path)):
        # A copy of the descriptor: it shares the position with what the process prints.
        number = match[1] or match[2] or (2 if path.name == 'stderr' else 1)
        return os.fdopen(os.dup(int(number)), mode, encoding=None if 'b' in mode else 'utf-8')
    descriptor = _PIPES.pop(Path(os.path.abspath(path)), None)
    if descriptor is None:
        descriptor = _descriptor_of(path)
    return os.fdopen(descriptor, mode, encoding=None if 'b' in mode else 'utf-8')


def _descriptor_of(path: Path) -> int:
    """Open a device or a pipe for writing; one without a reader is an error."""
    try:
        # Without a reader, opening a named pipe would wait for ever.
        descriptor = os.open(path, os.O_WRONLY | getattr(os, 'O_NONBLOCK', 0) | _BINARY)
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise DataError(path, expected='a process that reads this pipe', found='none') from None
        raise
    if hasattr(os, 'set_blocking'):
        os.set_blocking(descriptor, True)
    return descriptor


def _check_special(path: Path, mode: int) -> None:
    """Refuse a pipe without a reader, and what cannot be written to."""
    if not os.access(path, os.W_OK):
        raise DataError(path, None, 'a file, a device or a pipe to write to', 'no permission')
    if stat.S_ISSOCK(mode):
        raise DataError(path, None, 'a file, a device or a pipe', 'a socket', _OTHER_NAME)
    absolute = Path(os.path.abspath(path))
    if stat.S_ISFIFO(mode) and absolute not in _PIPES:
        _PIPES[absolute] = _descriptor_of(path)


def check_outputs(
    outputs: Iterable[str | PathLike[str]],
    inputs: Iterable[str | PathLike[str]] = (),
    overwrite: bool = False,
    maker: str = '',
    is_ours: Callable[[Path], bool] | None = None,
) -> None:
    """Check before the work that no output replaces an input or an existing file.

    If another process writes an output that is new now, :func:`atomic_write` does not replace it.
    Devices and pipes are no files that can be lost, but a named pipe needs a reader. Removes what
    killed commands have left unfinished beside the outputs.

    Args:
        outputs: Files to write.
        inputs: Files that the command reads, never replaced; and folders with data, in which
            nothing is replaced, and nothing new is written unless the current folder is inside.
        overwrite: Allow to replace files that this command has written, see :func:`note_outputs`.
            Other files are never replaced.
        maker: Name of the command.
        is_ours: Whether a file that nobody has noted is one of the command, by its content: an
            earlier release may have written it.

    Raises:
        DataError: An output is an input, a folder, an existing file, a pipe without a reader, or in
            a folder with data or one that cannot be written to.
    """
    inputs = [path for path in inputs if os.path.exists(path)]
    data_folders = [path for path in inputs if os.path.isdir(path)]
    closed = _closed(data_folders)
    sources = {(found.st_dev, found.st_ino) for found in map(os.stat, inputs)}
    paths = [Path(path) for path in outputs if not _OPEN_FILE.fullmatch(str(path))]
    # Per folder, not per file: a command can have thousands of files.
    notes = {folder: _read_notes(folder) for folder in {path.parent for path in paths}}
    for folder in notes:
        remove_stale_files(folder)
        _check_notes(folder / _NOTES_NAME)
    new_in = set()
    for path in paths:
        absolute = Path(os.path.abspath(path))
        _NEW.discard(absolute)
        if not path.exists():
            _NEW.add(absolute)
            target = Path(os.path.realpath(path))
            if target.is_symlink():
                raise DataError(path, None, 'a new file', 'a link to itself', _OTHER_NAME)
            new_in.add(target.parent if path.is_symlink() else path.parent)
            if data := _folder_around(path, closed):
                expected = f'a file outside of the data in {data}'
                raise DataError(path, None, expected, 'one inside', _OTHER_NAME)
            continue
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            raise DataError(path, expected='the name of a file to write', found='a folder')
        if (found.st_dev, found.st_ino) in sources:
            raise DataError(
                path, expected='a new file', found='an input of this command', hint=_OTHER_NAME
            )
        if not stat.S_ISREG(found.st_mode):
            _check_special(path, found.st_mode)
            continue
        if data := _folder_around(path, data_folders):
            raise DataError(path, None, 'a new file', f'a file of the data in {data}', _OTHER_NAME)
        is_noted = _note(maker, path.name) in notes[path.parent]
        if not (is_noted or (is_ours is not None and is_ours(path))):
            found_file = 'one that this command did not write'
            raise DataError(path, None, 'a new file', found_file, _OTHER_NAME)
        if not overwrite:
            hint = f'{_OTHER_NAME}, or replace it with --overwrite'
            raise DataError(path, None, 'a new file', 'one that exists', hint)
    for folder in sorted(new_in):
        check_writable(folder, 'Choose another folder for the output')


def _closed(folders: Iterable[str | PathLike[str]]) -> list[str | PathLike[str]]:
    """The folders with data in which nothing new is written: not those around the current folder.

    With ``data_root='.'``, every usual place for results lies inside the data.
    """
    return [folder for folder in folders if not _folder_around(Path(), [folder])]


def _folder_around(path: Path, folders: Iterable[str | PathLike[str]]) -> Path | None:
    """The first of the folders that is ``path`` or has it inside, also through links."""
    target = Path(os.path.realpath(path))
    for folder in map(Path, folders):
        if folder.is_dir() and Path(os.path.realpath(folder)) in (target, *target.parents):
            return folder
    return None


def _note(maker: str, name: str) -> str:
    return json.dumps([maker, name])


def _read_notes(folder: Path) -> set[str]:
    path = folder / _NOTES_NAME
    if path.is_symlink() or not path.is_file():
        return set()
    with path.open(encoding='ascii', errors='replace') as file:
        return set(file.read(_MAX_NOTES).splitlines())


def _check_notes(notes: Path) -> None:
    if os.path.lexists(notes) and (notes.is_symlink() or not notes.is_file()):
        hint = 'Remove it, or choose another folder'
        raise DataError(notes, None, 'a regular file of this command', 'something else', hint)


def note_outputs(paths: Iterable[str | PathLike[str]], maker: str) -> None:
    """Say that a command is about to write files, for later checks with the same ``maker``.

    :func:`atomic_write` notes each one when it is written: a name whose file was not written can
    become that of a file of the user. Each folder keeps the names in a file ``.mmssc-outputs``.
    Several processes can note at once.

    Args:
        paths: Files, or folders as a whole.
        maker: Name of the command.

    Raises:
        DataError: The ``.mmssc-outputs`` of a folder is a link or no regular file.
    """
    for path in map(Path, paths):
        if not path.exists():  # Otherwise it passed a check: it is noted.
            _check_notes(path.parent / _NOTES_NAME)
            _EXPECTED[Path(os.path.abspath(path))] = maker


def _note_written(path: Path) -> None:
    """Note an expected file, or the expected folder around it."""
    absolute = Path(os.path.abspath(path))
    expected = next((one for one in (absolute, *absolute.parents) if one in _EXPECTED), None)
    if expected is None:
        return
    note = _note(_EXPECTED.pop(expected), expected.name)
    notes = expected.parent / _NOTES_NAME
    _check_notes(notes)
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, 'O_NOFOLLOW', 0)
    with os.fdopen(os.open(notes, flags, 0o666), 'rb+') as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 1))
        # A full disk may have cut the last line off.
        start = '' if file.read() in (b'', b'\n') else '\n'
        file.write(f'{start}{note}\n'.encode('ascii'))


def check_writable(folder: str | PathLike[str], hint: str | None = None) -> None:
    """Refuse a folder for results that cannot be written to, before the work starts.

    Args:
        folder: The folder; it need not exist.
        hint: What to do.

    Raises:
        DataError: It, or the nearest folder above it, is a file or not writable.
    """
    existing = Path(folder).absolute()
    try:
        while not existing.exists() and not existing.is_symlink():
            existing = existing.parent
    except OSError as error:
        raise DataError(folder, None, 'a folder for the results', error.strerror, hint) from error
    if not existing.is_dir():
        found = 'a link to nothing' if not existing.exists() else 'a file'
        raise DataError(folder, expected='a folder for the results', found=found, hint=hint)
    if not os.access(existing, os.W_OK | os.X_OK):
        found = f'no permission to write to {existing}'
        raise DataError(folder, expected='a folder for the results', found=found, hint=hint)
    try:
        # The system may allow what the disk refuses, e.g. on a network or for root.
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        found = f'{error.strerror} (writing to {existing})'
        raise DataError(folder, None, 'a folder for the results', found, hint) from error


def check_output_folder(
    folder: str | PathLike[str],
    overwrite: bool = False,
    maker: str = '',
    data: Iterable[str | PathLike[str]] = (),
) -> None:
    """Check before the work that a folder for results has no files that could be lost.

    Removes what killed commands have left unfinished in it.

    Args:
        folder: Where a command writes files whose names it does not know yet.
        overwrite: Allow files that the same command has written, see :func:`note_outputs`.
        maker: Name of the command.
        data: Folders of data sets; the folder must be outside of them, except of those that the
            current folder is in.

    Raises:
        DataError: The folder is inside a data set, has files of others, or has files and
            ``overwrite`` is False; or it cannot be written to.
    """
    folder, hint = Path(folder), 'Choose another folder'
    check_writable(folder, hint)
    remove_stale_files(folder)
    if around := _folder_around(folder, _closed(data)):
        found = f'a folder of the data in {around}'
        raise DataError(folder, None, 'a folder for results', found, hint)
    # Hidden files are those of this module, and of file managers.
    names = [path.name for path in folder.glob('*') if not path.name.startswith('.')]
    notes = _read_notes(folder)
    foreign = sorted(name for name in names if _note(maker, name) not in notes)
    if foreign:
        found = f'{foreign[0]!r}' + (f' and {len(foreign) - 1} more' if foreign[1:] else '')
        expected = 'a new or empty folder, or one with files of this command only'
        raise DataError(folder, None, expected, found, hint)
    if names and not overwrite:
        hint += ', or replace files in it with --overwrite'
        raise DataError(folder, None, 'a new or empty folder', 'files', hint)


@contextmanager
def output_folder(
    folder: str | PathLike[str],
    overwrite: bool = False,
    maker: str = '',
    data: Iterable[str | PathLike[str]] = (),
) -> Iterator[None]:
    """Check a folder for results with :func:`check_output_folder`, and be its only writer.

    Raises:
        DataError: As :func:`check_output_folder`, or another command writes there.
    """
    data = [*data]
    check_output_folder(folder, overwrite, maker, data)
    with lock_folder(folder):
        # The command that held the lock may have left files.
        check_output_folder(folder, overwrite, maker, data)
        yield
