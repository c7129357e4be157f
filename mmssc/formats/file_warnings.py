"""Warnings about files: two examples per folder at most, not one line per frame of a data set."""

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

# Folder and finding of the warnings of this process -> the first file; '': a second one is named.
_OF_PROCESS: dict[tuple[str, str], str] = {}
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
    """

    def __init__(self, path: str, finding: str, text: str) -> None:
        super().__init__(path, finding, text)
        self.path, self.finding, self.text = path, finding, text

    def __str__(self) -> str:
        return f'{self.path}: {self.text}'


@contextmanager
def warning_anew() -> Iterator[None]:
    """Forget earlier warnings, so that those of this call are said; use it as a decorator, too.

    Calls inside share their warnings: a loop over the frames of a folder names one.
    """
    if _SAID.get() is not _OF_PROCESS:
        yield
        return
    token = _SAID.set({})
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
    """Warn about a file; for each folder and kind of finding, about the first file in full.

    A second file gets a short line, further ones none. This holds for the process, or for the call
    inside :func:`warning_anew`.

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
    if os.path.isfile(path):
        folder, name = os.path.split(os.path.abspath(path))
        first = _SAID.get().get((folder, finding))
        if first in ('', name):
            return
        _SAID.get()[folder, finding] = name if first is None else ''
        if first is not None:
            text = f'the same finding as in {first}; further files of the folder are not named'
    warnings.warn(FileWarning(str(path), finding, text), stacklevel=stacklevel + 1)


def warn_again(given: warnings.WarningMessage) -> None:
    """Repeat a warning of a worker process in this one, where it may be said already."""
    message = given.message
    if isinstance(message, FileWarning):
        warn_of_file(message.path, message.finding, message.text)
    else:
        warnings.warn_explicit(message, given.category, given.filename, given.lineno)
