"""Check entries of JSON files; errors name the file and the entry."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np

from mmssc.errors import DataError

from .regular_files import read_text

__all__ = ['number_array', 'parse_json', 'read_json', 'require_array', 'require_field']


def _object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f'the key {twice!r} more than once in an object')
    return content


def parse_json(text: str) -> Any:
    """Read JSON text.

    Raises:
        ValueError: It is not JSON, or an object has a key more than once. Which value counts would
            be a guess.
    """
    return json.loads(text, object_pairs_hook=_object_of)


def read_json(path: str | PathLike[str]) -> Any:
    """Read a JSON file.

    Raises:
        DataError: The file is missing, unreadable or not JSON, or has a key more than once.
    """
    text = read_text(path)
    try:
        return parse_json(text)
    except (ValueError, RecursionError) as error:
        raise DataError(path, 'JSON', 'a valid file', error) from error


def require_field(container: Any, key: str, kind: type, file: str, field: str) -> Any:
    """Return an entry of an object of a JSON file.

    Args:
        container: The object.
        key: Name of the entry.
        kind: Type that it must have.
        file: The file, for the error.
        field: Where in the file the object is, for the error.

    Raises:
        DataError: ``container`` is not an object, or the entry is missing or has another type.
    """
    if not isinstance(container, Mapping):
        raise DataError(file, field, 'an object', type(container).__name__)
    value = container.get(key)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        found = 'nothing' if key not in container else repr(value)[:60]
        raise DataError(file, f'{field}.{key}'.lstrip('.'), f'a {kind.__name__}', found)
    return value


def number_array(value: Any, shape: Sequence[int | None], file: str, field: str) -> np.ndarray:
    """Convert nested lists to finite float64 numbers of ``shape`` (None = any size).

    Raises:
        DataError: The shape is wrong, or an entry is not a number, NaN or infinite.
    """
    try:
        array = np.asarray(value)
    except ValueError:
        array = np.asarray(None)
    if array.size == 0 and shape[0] is None:
        return np.zeros([n or 0 for n in shape])
    matches = array.ndim == len(shape) and all(
        n is None or n == m for n, m in zip(shape, array.shape)
    )
    if array.dtype.kind not in 'if' or not matches:
        wanted = ' x '.join('N' if n is None else str(n) for n in shape)
        raise DataError(file, field, f'{wanted} numbers', f'{array.dtype} {array.shape}')
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise DataError(file, field, 'finite numbers', 'NaN or infinity')
    return array


def require_array(
    container: Any, key: str, shape: Sequence[int | None], file: str, field: str
) -> np.ndarray:
    """Return an entry that consists of nested lists of numbers; see :func:`number_array`."""
    name = f'{field}.{key}'
    return number_array(require_field(container, key, list, file, field), shape, file, name)
