"""Inert stand-ins for what a reader of pickles does not know, and how to get rid of them."""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from itertools import chain
from typing import Any

__all__ = ['ForbiddenContentError', 'UnknownFinder', 'UnknownObject', 'leave_out_unknown']

# Values that a search may look at: a file can make many entries refer to the same large one.
_MAX_STEPS = 10_000_000


class ForbiddenContentError(pickle.UnpicklingError):
    """The pickle asks for something that plain values do not need. The reader did not do it.

    Args:
        found: What it asks for, e.g. a name.
    """

    def __init__(self, found: str) -> None:
        self.found = found
        super().__init__(f'{found} is not allowed in this file')


class UnknownObject:
    """Stands for a class that the reader does not know, and for its objects. It holds nothing.

    Args:
        name: What the pickle asks for, e.g. the class with its module.
    """

    def __init__(self, name: str) -> None:
        self.name = name


class UnknownFinder:
    """Makes :class:`UnknownObject` values and searches for them, in limited time."""

    def __init__(self) -> None:
        self._steps, self._has_made_one = 0, False

    def make(self, name: str) -> UnknownObject:
        """A new one."""
        self._has_made_one = True
        return UnknownObject(name)

    def first_in(self, value: Any) -> UnknownObject | None:
        """One that :meth:`make` made, anywhere in nested containers.

        Raises:
            ForbiddenContentError: All searches together looked at more than ten million values.
        """
        return self.search(value) if self._has_made_one else None

    def search(self, value: Any) -> UnknownObject | None:
        """As :meth:`first_in`, whoever made it."""
        waiting, seen = [value], set()
        while waiting:
            item = waiting.pop()
            if isinstance(item, UnknownObject):
                return item
            # A container can hold itself, or occur very often.
            if isinstance(item, (dict, list, tuple, set)) and id(item) not in seen:
                seen.add(id(item))
                self._steps += len(item)
                if self._steps > _MAX_STEPS:
                    raise ForbiddenContentError(f'nested values of more than {_MAX_STEPS} values')
                waiting.extend(chain(item, item.values()) if isinstance(item, dict) else item)
        return None


def leave_out_unknown(content: Any, weights: Iterable[str]) -> dict[str, str]:
    """Leave out the entries of a checkpoint that hold objects of unknown classes, in place.

    Args:
        content: What a pickle holds, with :class:`UnknownObject` in it.
        weights: Names of the entries that may hold the weights, e.g. ``'state_dict'``. The first
            that is a dict does; only the others can be left out.

    Returns:
        Name of an entry that is left out -> an unknown class in it.

    Raises:
        ForbiddenContentError: The weights hold such an object, or it occurs in a file without such
            an entry; or there are more than ten million values.
    """
    entries = content if isinstance(content, dict) else {}
    kept = next((name for name in weights if isinstance(entries.get(name), dict)), None)
    finder = UnknownFinder()
    unknown = finder.search(content if kept is None else entries[kept])
    if unknown is not None:
        raise ForbiddenContentError(unknown.name)
    skipped = {}
    for key in [] if kept is None else [key for key in entries if key != kept]:
        unknown = finder.search((key, entries[key]))
        if unknown is not None:
            del entries[key]
            name = 'a key' if isinstance(key, UnknownObject) else str(key)
            skipped[name] = unknown.name
    return skipped
