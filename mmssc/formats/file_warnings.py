"""Warnings about files: one example per folder, not one line per frame of a data set."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from os import PathLike

__all__ = ['FileWarning', 'warn_again', 'warn_of_file', 'warning_anew']

# Folder and finding of the warnings of this process.
_OF_PROCESS: set[tuple[str, str]] = set()
# Those that are not repeated now.
_SAID = ContextVar('said', default=_OF_PROCESS)


class FileWarning(UserWarning):
    """A warning about a file.

    Args:
        path: The file.
        finding: The kind of finding.
        text: The message without the file.
        note: What follows the message.
    """

    def __init__(self, path: str, finding: str, text: str, note: str = '') -> None:
        super().__init__(path, finding, text, note)
        self.path, self.finding, self.text, self.note = path, finding, text, note

    def __str__(self) -> str:
        return f'{self.path}: {self.text}{self.note}'


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
    note = ''
    if os.path.isfile(path):
        key = os.path.dirname(os.path.abspath(path)), finding
        if key in _SAID.get():
            return
        _SAID.get().add(key)
        note = ' (other files of the folder with this finding are not named)'
    warnings.warn(FileWarning(str(path), finding, text, note), stacklevel=stacklevel + 1)


def warn_again(given: warnings.WarningMessage) -> None:
    """Repeat a warning of a worker process in this one, where it may be said already."""
    message = given.message
    if isinstance(message, FileWarning):
        warn_of_file(message.path, message.finding, message.text)
    else:
        warnings.warn_explicit(message, given.category, given.filename, given.lineno)
