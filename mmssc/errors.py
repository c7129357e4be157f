"""Error types that users see."""

from __future__ import annotations

import difflib
import pickle
from collections.abc import Collection, Mapping
from os import PathLike
from typing import Any

__all__ = [
    'DataError', 'MMSSCError', 'MissingDependencyError', 'NotFiniteError', 'UnsafeCheckpointError',
    'counted', 'nearest_name',
]  # fmt: skip

# Longer texts in a message are cut: a file may choose them.
_LONGEST = 2000


def join_sentences(*texts: str) -> str:
    """Join texts with a full stop where none of them ends a sentence; empty ones are left out."""
    joined = ''
    for text in filter(None, texts):
        end = ' ' if joined.endswith(('.', '?', '!')) else '. '
        joined += f'{end}{text}' if joined else text
    return joined


def counted(count: int, noun: str) -> str:
    """``'1 sample'``, ``'3 samples'``."""
    return f'{count} {noun}' if count == 1 else f'{count} {noun}s'


def nearest_name(name: str, known: Collection[str], alike: float = 0.6) -> str | None:
    """A hint with the known name that is spelt most like another one; None if none is near.

    Upper and lower case count as the same letter. ``alike`` is 1 for equal names, 0 for any.
    """
    spellings = {one.casefold(): one for one in sorted(known)}
    near = difflib.get_close_matches(name.casefold(), spellings, n=1, cutoff=alike)
    return f'Did you mean {spellings[near[0]]}?' if near else None


class MMSSCError(Exception):
    """Base of every error that mmssc raises on purpose."""


class DataError(MMSSCError, ValueError):
    """A file or value from outside is missing, damaged or of the wrong kind.

    Args:
        file: The wrong file (or other source).
        field: Part of the file, e.g. ``'P2'``, ``'shape'`` or ``'line 12'``.
        expected: What a valid file holds.
        found: What was found instead.
        hint: What to do, usually the command that makes a valid file.
    """

    def __init__(
        self,
        file: str | PathLike[str],
        field: str | None = None,
        expected: Any = None,
        found: Any = None,
        hint: str | None = None,
    ) -> None:
        self.file, self.field = str(file), field
        self.expected, self.found, self.hint = expected, found, hint
        message = self.file if field is None else f'{self.file}: {_cut(str(field))}'
        if expected is not None:
            message += f': expected {_cut(_in_words(expected))}'
        if found is not None:
            words = _cut(_in_words(found))
            message += f', found {words}' if expected is not None else f': found {words}'
        if hint:
            message = join_sentences(message, hint)
        # Text from a file must not send control codes to the terminal.
        message = ''.join(one if one.isprintable() or one in '\n\t' else '?' for one in message)
        super().__init__(message)

    def __reduce__(self) -> tuple:
        # Data loader workers pickle errors.
        return type(self), (self.file, self.field, self.expected, self.found, self.hint)


def _in_words(value: Any) -> str:
    """Text of a value for users: names and settings without the brackets and quotes of Python."""
    if isinstance(value, Mapping):
        return ', '.join(f'{key} {_in_words(value[key])}' for key in value) or 'nothing'
    if isinstance(value, (list, tuple, set, frozenset)):
        if not value or any(isinstance(one, str) for one in value):
            return ', '.join(map(_in_words, value)) or 'none'
        if isinstance(value, (list, tuple)):
            # Numbers of NumPy have a name of their own in a list.
            left, right = '()' if isinstance(value, tuple) else '[]'
            comma = ',' if isinstance(value, tuple) and len(value) == 1 else ''
            return f'{left}{", ".join(map(_in_words, value))}{comma}{right}'
    try:
        return 'none' if value is None else str(value)
    except ValueError:  # Python does not print such numbers.
        return 'a number of more than 4300 digits'


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f'{text[:_LONGEST]}...'


class UnsafeCheckpointError(DataError, pickle.UnpicklingError):
    """A checkpoint holds something that weights do not need, e.g. code. mmssc did not run it."""


class MissingDependencyError(MMSSCError, ImportError):
    """An optional package is needed and not installed; the message gives the command."""


class NotFiniteError(MMSSCError, ArithmeticError):
    """A loss or a weight of a training is NaN or infinite."""
