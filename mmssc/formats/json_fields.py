"""Check entries of JSON files; errors name the file and the entry."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from os import PathLike
from typing import Any

import numpy as np

from mmssc.errors import DataError

from .regular_files import read_text

__all__ = [
    'MAX_JSON_BYTES', 'MAX_LIST_BYTES', 'number_array', 'parse_json', 'read_json', 'require_array',
    'require_field',
]  # fmt: skip

#: Largest JSON file.
MAX_JSON_BYTES = 64 * 2**20
#: Largest list of frames: a million with their poses. All drives of SemanticKITTI take 5 MiB.
MAX_LIST_BYTES = 512 * 2**20
# Lists and objects in a file. A million RGB-D frames have 8 million; an empty one takes 3 bytes in
# the file and 64 in memory.
_MAX_CONTAINERS = 20_000_000
# Levels of containers in each other. Our own files have six.
_MAX_DEPTH = 100
# Words for types in messages. JSON calls a dict an object.
_KINDS = {
    Mapping: 'an object', dict: 'an object', list: 'a list', str: 'text', int: 'a whole number',
    float: 'a number', bool: 'true or false', type(None): 'null',
}  # fmt: skip
_TOO_DEEP = f'values nested in more than {_MAX_DEPTH} levels'


def _object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for name, value in pairs:
        if name in content:
            raise ValueError(f'the key {name[:60]!r} more than once in an object')
        content[name] = value
    return content


def _is_deep(value: Any) -> bool:
    """Whether containers are nested in more than :data:`_MAX_DEPTH` levels."""
    level = [value]
    for _ in range(_MAX_DEPTH + 1):
        values = (one.values() if isinstance(one, dict) else one for one in level)
        level = [one for one in chain.from_iterable(values) if isinstance(one, (dict, list))]
        if not level:
            return False
    return True


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Python would look for cycles in a growing list again and again: two thirds of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def parse_json(text: str) -> Any:
    """Read JSON text.

    Raises:
        ValueError: It is not JSON, is nested in more than 100 levels, or an object has a key more
            than once. Which value counts would be a guess.
    """
    try:
        with _collector_paused():
            value = json.loads(text, object_pairs_hook=_object_of)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    except ValueError as error:
        if 'integer string conversion' not in str(error):
            raise
        raise ValueError('a number of more than 4300 digits') from error
    if isinstance(value, (dict, list)) and _is_deep(value):
        raise ValueError(_TOO_DEEP)
    return value


def read_json(path: str | PathLike[str], limit: int = MAX_JSON_BYTES) -> Any:
    """Read a JSON file.

    Args:
        path: The file.
        limit: Largest size in bytes.

    Raises:
        DataError: The file is missing, unreadable, larger than the limit or not JSON, has more than
            20 million lists and objects, or as :func:`parse_json`.
    """
    text = read_text(path, limit)
    if text.count('[') + text.count('{') > _MAX_CONTAINERS:
        raise DataError(path, 'JSON', f'at most {_MAX_CONTAINERS} lists and objects', 'more')
    try:
        return parse_json(text)
    except ValueError as error:
        raise DataError(path, 'JSON', 'a valid file', error) from error


def _in_words(kind: type) -> str:
    return _KINDS.get(kind) or f'a {kind.__name__}'


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
        raise DataError(file, field or None, 'an object', _in_words(type(container)))
    value = container.get(key)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        found = 'nothing' if key not in container else repr(value)[:60]
        raise DataError(file, f'{field}.{key}'.lstrip('.'), _in_words(kind), found)
    return value


def number_array(value: Any, shape: Sequence[int | None], file: str, field: str) -> np.ndarray:
    """Convert nested lists to finite float64 numbers of ``shape`` (None = any size).

    Raises:
        DataError: The shape is wrong, or an entry is not a number, NaN or infinite.
    """
    # As objects: NumPy would store all texts of a list with the length of the longest one.
    array = np.asarray(value, object)
    if array.size == 0 and shape[0] is None:
        return np.zeros([n or 0 for n in shape])
    matches = array.ndim == len(shape) and all(
        n is None or n == m for n, m in zip(shape, array.shape)
    )
    wanted = ' x '.join('N' if n is None else str(n) for n in shape)
    if not matches:
        raise DataError(file, field, f'{wanted} numbers', f'shape {array.shape}')
    others = {type(one) for one in array.flat} - {int, float}
    if others:
        found = ', '.join(sorted(map(_in_words, others)))
        raise DataError(file, field, f'{wanted} numbers', f'entries such as {found}')
    try:
        array = array.astype(np.float64)
    except OverflowError:
        array = np.asarray(np.inf)
    if not np.isfinite(array).all():
        raise DataError(file, field, 'finite numbers', 'NaN or infinity')
    return array


def require_array(
    container: Any, key: str, shape: Sequence[int | None], file: str, field: str
) -> np.ndarray:
    """Return an entry that consists of nested lists of numbers; see :func:`number_array`."""
    name = f'{field}.{key}'
    return number_array(require_field(container, key, list, file, field), shape, file, name)
