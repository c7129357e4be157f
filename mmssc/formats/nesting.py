"""Limits of the values in a checkpoint: types, depth, number and size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any

from .restricted_pickle import ForeignClass
from .unknown_objects import ForbiddenContentError

__all__ = ['check_nesting']

_MAX_VALUES = 10_000_000  # Each value counts wherever it stands, see check_nesting.
_MAX_DEPTH = 100  # Levels of containers in each other.


def check_nesting(
    value: Any,
    leaves: tuple[type, ...],
    max_bytes: int,
    sizes: Mapping[type, Callable[[Any], int]] | None = None,
) -> None:
    """Refuse values that are nested endlessly or too often.

    A list can contain itself. Thirty lists that each contain the next one twice stand for a billion
    elements. Code that prints or compares such values does not end.

    Args:
        value: Nested dicts, lists, tuples and sets.
        leaves: Allowed types inside of them, besides None and :class:`ForeignClass`.
        max_bytes: Limit of their total size if every occurrence were a copy. One tensor can occur
            under many keys, and code that iterates over the keys copies it each time.
        sizes: Further allowed types -> size of such a value in bytes.

    Raises:
        ForbiddenContentError: Deeper than 100 levels, more than ten million values, more bytes, or
            a value of another type.
    """
    sizes = sizes or {}
    leaves = (*leaves, *sizes, ForeignClass)
    count = 0
    levels: list[Iterator[Any]] = [iter((value,))]
    while levels:
        for item in levels[-1]:
            count += 1
            if count > _MAX_VALUES or len(levels) > _MAX_DEPTH:
                limits = f'{_MAX_DEPTH} levels or {_MAX_VALUES} values'
                raise ForbiddenContentError(f'nested values of more than {limits}')
            if isinstance(item, dict):
                levels.append(chain(item, item.values()))
                break
            if type(item) in (list, tuple, set):
                levels.append(iter(item))
                break
            if not (item is None or isinstance(item, leaves)):
                kind = type(item).__name__
                raise ForbiddenContentError(f'a value of type {kind}, which is no plain value')
            if isinstance(item, (str, bytes)):
                max_bytes -= len(item)
            elif type(item) in sizes:
                max_bytes -= sizes[type(item)](item)
            else:
                max_bytes -= getattr(item, 'nbytes', 0)  # Tensors and arrays.
            if max_bytes < 0:
                raise ForbiddenContentError('values that are together much larger than the file')
        else:
            levels.pop()
