"""Atomic writing of files."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import IO

__all__ = ['atomic_write']


@contextmanager
def atomic_write(path: str | PathLike[str], mode: str = 'wb') -> Iterator[IO]:
    """Open a temporary file beside ``path`` and rename it to ``path`` on success.

    The parent folder is created. If the body raises or the process dies, ``path`` does not change.
    After an exception the temporary file is removed.

    Args:
        path: Final name of the file.
        mode: ``'wb'`` or ``'w'`` (UTF-8).
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(
        dir=path.parent, prefix=f'.{path.name}.', suffix='.tmp'
    )
    try:
        encoding = None if 'b' in mode else 'utf-8'
        with os.fdopen(descriptor, mode, encoding=encoding) as file:
            yield file
        # mkstemp makes the file private; set the permissions of an ordinary file.
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename == temporary:
            # Users know the final name only.
            raise type(error)(error.errno, error.strerror, str(path)) from error
        raise
