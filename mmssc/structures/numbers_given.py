"""Checks of numbers that configs, lists and users give."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from mmssc.errors import DataError

__all__ = ['finite_numbers', 'positive_wholes']

# Numbers that Python would convert although they are something else.
_OTHERS = (bool, np.bool_, str, bytes)


def finite_numbers(values: Any, count: int, source: str, field: str) -> tuple[float, ...]:
    """Convert to ``count`` finite numbers.

    Args:
        values: Numbers of Python, NumPy or torch.
        count: How many there have to be.
        source: What has the field, for the error.
        field: Name of the numbers, for the error.

    Raises:
        DataError: There are more or fewer, or one is text, true or false, NaN, infinite or too
            large for float64.
    """
    entries = _entries(values, count, source, field)
    try:
        if any(isinstance(entry, _OTHERS) for entry in entries):
            raise TypeError
        numbers = tuple(float(entry) for entry in entries)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        raise DataError(source, field, 'finite numbers', entries) from None
    if not all(map(math.isfinite, numbers)):
        raise DataError(source, field, 'finite numbers', entries)
    return numbers


def positive_wholes(values: Any, count: int, source: str, field: str) -> tuple[int, ...]:
    """Convert to ``count`` whole numbers above 0.

    Raises:
        DataError: As :func:`finite_numbers`, or a number is not whole or not positive.
    """
    numbers = finite_numbers(values, count, source, field)
    if any(number < 1 or number != int(number) for number in numbers):
        raise DataError(source, field, 'positive whole numbers', numbers)
    return tuple(int(number) for number in numbers)


def _entries(values: Any, count: int, source: str, field: str) -> tuple[Any, ...]:
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise DataError(source, field, f'{count} entries', values)
    try:
        entries = tuple(values)
    except (TypeError, RuntimeError):  # An array or tensor without axes.
        raise DataError(source, field, f'{count} entries', 'a single number') from None
    if len(entries) != count:
        raise DataError(source, field, f'{count} entries', len(entries))
    return entries
