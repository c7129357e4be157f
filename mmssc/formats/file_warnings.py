"""Warnings about files: one example per folder, not one line per frame of a data set."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from os import PathLike

__all__ = ['warn_of_file', 'warning_anew']

# Folder and finding of the warnings of this process.
_OF_PROCESS: set[tuple[str, str]] = set()
# Those that are not repeated now.
_SAID = ContextVar('said', default=_OF_PROCESS)


@contextmanager
def warning_anew() -> Iterator[None]:
    """Forget earlier warnings, so that those of this call are said; use it as a decorator, too.

    Calls inside share their warnings: a loop over the frames of a folder names one.
    """
    if _SAID.get() is not _OF_PROCESS:
        yield
        return
    token = _SAID.set(set())
    try:
        yield
    finally:
        _SAID.reset(token)


def warn_of_file(path: str | PathLike[str], finding: str, text: str, stacklevel: int = 2) -> None:
    """Warn about a file, once per folder and kind of finding.

    Once in the process, or in the call inside :func:`warning_anew`.

    Args:
        path: The file, or the name of an array: arrays always warn.
        finding: The kind, e.g. ``'unit'``.
        text: The message without the file.
        stacklevel: As of :func:`warnings.warn`, from the caller.
    """
    if os.path.isfile(path):
        key = os.path.dirname(os.path.abspath(path)), finding
        if key in _SAID.get():
            return
        _SAID.get().add(key)
        text += ' (other files of the folder with this finding are not named)'
    warnings.warn(f'{path}: {text}', stacklevel=stacklevel + 1)
