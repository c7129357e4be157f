"""Warnings about files: one example per folder, not one line per frame of a data set."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from os import PathLike

from mmssc.errors import DataError

__all__ = [
    'FileWarning', 'one_finding_of_depth', 'warn_again', 'warn_of_file', 'warning_anew',
]  # fmt: skip

# Folder and finding of the warnings of this process.
_OF_PROCESS: set[tuple[str, str]] = set()
# Those that are not repeated now.
_SAID = ContextVar('said', default=_OF_PROCESS)
# Findings that have one cause: a depth map in another unit.
_OF_DEPTH = ('ground', 'scale', 'unit')
# Warnings about depth maps that wait for an error about the same file; None: they do not wait.
_WAITING: ContextVar[dict[str, tuple[str, str]] | None] = ContextVar('waiting', default=None)


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


@contextmanager
def one_finding_of_depth() -> Iterator[None]:
    """Say once that the unit of a depth map looks wrong, although several checks may find it.

    Warnings about depth wait for the end. An error about the same file replaces them, and the first
    one stands for others. Use it as a decorator, too.
    """
    if _WAITING.get() is not None:
        yield
        return
    waiting: dict[str, tuple[str, str]] = {}
    token = _WAITING.set(waiting)
    try:
        yield
    except DataError as error:
        waiting.pop(error.file, None)
        raise
    finally:
        _WAITING.reset(token)
        for path, (finding, text) in waiting.items():
            warn_of_file(path, finding, text, stacklevel=4)


def warn_of_file(path: str | PathLike[str], finding: str, text: str, stacklevel: int = 2) -> None:
    """Warn about a file, once per folder and kind of finding.

    Once in the process, or in the call inside :func:`warning_anew`.

    Args:
        path: The file, or the name of an array: arrays always warn.
        finding: The kind, e.g. ``'unit'``.
        text: The message without the file.
        stacklevel: As of :func:`warnings.warn`, from the caller.
    """
    waiting = _WAITING.get()
    if waiting is not None and finding in _OF_DEPTH:
        waiting.setdefault(str(path), (finding, text))
        return
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
