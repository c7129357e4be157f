"""Temporary files and locks: which process writes which files, and what killed ones have left."""

from __future__ import annotations

import errno
import functools
import os
import re
import secrets
import shutil
import socket
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path

from mmssc.errors import DataError

__all__ = [
    'is_temporary', 'lock_folder', 'remove_stale_files', 'share_folder', 'temporary_folder',
    'temporary_path',
]  # fmt: skip

_LOCK_NAME = '.mmssc.lock'
# Worker processes of a killed run hold its lock until they notice, after about five seconds.
_LOCK_TIMEOUT = 10.0
# Errors of file systems without locks.
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)
_TEMPORARY = re.compile(r'\.mmssc-(?P<host>[^-]+)-(?P<process>\d+)-[0-9a-f]+\.tmp')
# Files of other machines and containers: nobody can ask whether their writer still runs.
_STALE_AFTER = 24 * 3600.0


@functools.cache
def _host() -> str:
    """The place where a number of a process means this process.

    Machines can have equal names, and each container counts its processes from 1.
    """
    name = re.sub(r'[^A-Za-z0-9.]', '', socket.gethostname())[:32] or 'host'
    try:
        with open('/proc/sys/kernel/random/boot_id', encoding='ascii') as file:
            place = f'{file.read()} {os.readlink("/proc/self/ns/pid")}'
    except OSError:  # not Linux
        return name
    return f'{name}.{zlib.crc32(place.encode()):08x}'


def temporary_path(path: Path) -> Path:
    """A new hidden name beside ``path`` that says which process writes it."""
    return path.with_name(f'.mmssc-{_host()}-{os.getpid()}-{secrets.token_hex(4)}.tmp')


def is_temporary(path: str | PathLike[str]) -> bool:
    """Whether a path has a name from :func:`temporary_path`."""
    return _TEMPORARY.fullmatch(os.path.basename(path)) is not None


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # it belongs to another user
        pass
    return True


def _is_stale(path: Path, host: str, process: int) -> bool:
    # On Windows, os.kill ends the process.
    if host == _host() and os.name == 'posix':
        return not _runs(process)
    # The time of a folder does not change while a file in it grows.
    inside = path.rglob('*') if path.is_dir() and not path.is_symlink() else ()
    newest = max(one.lstat().st_mtime for one in (path, *inside))
    return time.time() - newest > _STALE_AFTER


def remove_stale_files(folder: Path) -> int:
    """Remove temporary files and folders of killed processes of mmssc, and no others.

    Returns their number. Those of other machines and containers, and of the time before the last
    start of this one, stay for a day.

    Args:
        folder: May be missing.
    """
    count = 0
    for path in folder.glob('.mmssc-*.tmp') if folder.is_dir() else ():
        match = _TEMPORARY.fullmatch(path.name)
        try:
            if match and _is_stale(path, match['host'], int(match['process'])):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()
                count += 1
        except OSError:  # its writer has just finished, or it is another user's
            continue
    return count


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A new folder in that for temporary files; it is removed at the end.

    What killed processes have left there is removed now.

    Raises:
        OSError: The folder cannot be made.
    """
    around = Path(tempfile.gettempdir())
    remove_stale_files(around)
    folder = temporary_path(around / 'folder')
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def lock_folder(folder: str | PathLike[str], timeout: float | None = None) -> Iterator[None]:
    """Be the only process of mmssc that writes to a folder; a killed process frees the lock.

    Creates the folder, and removes it again if the body fails before it writes. While the lock
    holds, the folder has a file ``.mmssc.lock``. On a file system without locks, a second writer
    goes unnoticed.

    Args:
        folder: Data root or work folder.
        timeout: Seconds to wait for another process; None: ten.

    Raises:
        DataError: Another process still writes there, or ``.mmssc.lock`` is a link or no regular
            file.
        OSError: The folder cannot be made or written to.
    """
    folder = Path(folder)
    new = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with _lock_of(folder, timeout):
            yield
    except BaseException:
        with suppress(OSError):  # not empty
            for one in new:
                one.rmdir()
        raise


@contextmanager
def _lock_of(folder: Path, timeout: float | None) -> Iterator[None]:
    from filelock import FileLock, Timeout  # Importing mmssc needs mmengine's packages only.

    lock = FileLock(str(_lock_file(folder)))
    try:
        lock.acquire(timeout=_LOCK_TIMEOUT if timeout is None else timeout)
    except Timeout:
        raise _busy(folder) from None
    except NotImplementedError:
        yield
        return
    try:
        yield
    finally:
        if os.name == 'posix':  # elsewhere an open file cannot be removed
            Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


def _lock_file(folder: Path) -> Path:
    """The file of the lock, which may not exist yet."""
    path = folder / _LOCK_NAME
    # Older releases of filelock empty the file that a link names.
    if os.path.lexists(path) and (path.is_symlink() or not path.is_file()):
        hint = 'Remove it, or choose another folder'
        raise DataError(path, None, 'a regular file of mmssc', 'something else', hint)
    return path


@contextmanager
def share_folder(folder: str | PathLike[str], timeout: float | None = None) -> Iterator[None]:
    """Write to a folder beside others that share it, but not beside one that locks it.

    Creates the folder, with the file of :func:`lock_folder`. On Windows and on a file system
    without locks, others go unnoticed.

    Args:
        folder: Data root.
        timeout: Seconds to wait for a process that has locked the folder; None: ten.

    Raises:
        DataError: A process still has the folder for itself, or ``.mmssc.lock`` is a link or no
            regular file.
        OSError: The folder cannot be made or written to.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + (_LOCK_TIMEOUT if timeout is None else timeout)
    while (descriptor := _shared_lock(_lock_file(folder))) is None:
        if time.monotonic() > end:
            raise _busy(folder)
        time.sleep(0.05)
    try:
        yield
    finally:
        os.close(descriptor)  # The file stays: others may share the lock.


def _shared_lock(path: Path) -> int | None:
    """An open file with a shared lock; None while another process has the lock for itself."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except ImportError:  # Windows
        return descriptor
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return descriptor
        os.close(descriptor)
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return None
        raise
    if os.fstat(descriptor).st_nlink == 0:  # Its holder has just removed it: it locks nothing.
        os.close(descriptor)
        return None
    return descriptor


def _busy(folder: Path) -> DataError:
    hint = 'Wait until it ends, stop it, or choose another folder'
    expected = 'no other command that writes to this folder'
    return DataError(folder, None, expected, 'one that runs', hint)
