"""Warnings about files: one example per folder, not one line per frame of a data set."""

from __future__ import annotations

import os
import warnings
from os import PathLike

__all__ = ['warn_of_file']

# Folder and finding of the warnings of this process.
_SAID: set[tuple[str, str]] = set()


def warn_of_file(path: str | PathLike[str], finding: str, text: str, stacklevel: int = 2) -> None:
    """Warn about a file, once per folder, kind of finding and process.

    Args:
        path: The file, or the name of an array: arrays always warn.
        finding: The kind, e.g. ``'unit'``.
        text: The message without the file.
        stacklevel: As of :func:`warnings.warn`, from the caller.
    """
    if os.path.isfile(path):
        key = os.path.dirname(os.path.abspath(path)), finding
        if key in _SAID:
            return
        _SAID.add(key)
        text += ' (other files of the folder with this finding are not named)'
    warnings.warn(f'{path}: {text}', stacklevel=stacklevel + 1)
