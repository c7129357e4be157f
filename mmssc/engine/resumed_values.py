"""Which values of a checkpoint a resumed training may compute with."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
from torch import Tensor

from mmssc.errors import DataError

__all__ = ['checked_value', 'does_not_fit', 'is_list_of_integers', 'is_number', 'kind_of']

_MAX_NUMBER = 1e15
_MAX_REPEATS = 1000  # Of one milestone.


def does_not_fit(file: str, field: str, expected: Any, found: Any) -> DataError:
    """The error of a checkpoint that is not of this training."""
    hint = f'To start from its weights alone, give --cfg-options load_from={file} without --resume'
    return DataError(file, field, expected, found, hint)


def checked_value(saved: Any, own: Any, file: str, field: str) -> Any:
    """Return the saved value if it has the type and length of the value in the config.

    A schedule computes with these values: a tensor, text, or a number of many digits instead of a
    number could take any amount of time and memory.

    Raises:
        DataError: The value has another type or length, or a number is too large.
    """
    same_type = type(saved) is type(own)
    if own is None or (isinstance(own, (int, float)) and not isinstance(own, bool)):
        # A metric can be a number from NumPy or torch.
        if isinstance(saved, np.generic) or (isinstance(saved, Tensor) and saved.numel() == 1):
            saved = saved.item()
        if is_number(saved):
            return float(saved) if isinstance(own, float) else saved
        if own is None and saved is None:
            return None
    elif isinstance(own, Counter):
        # Milestones, which the config may change.
        if same_type and all(_is_count(value) for value in saved.values()):
            return saved
    elif isinstance(own, (list, tuple)):
        if same_type and len(saved) == len(own):
            return type(own)(checked_value(*pair, file, field) for pair in zip(saved, own))
    elif isinstance(own, dict):
        if isinstance(saved, dict) and saved.keys() == own.keys():
            return {name: checked_value(saved[name], own[name], file, field) for name in own}
    elif isinstance(own, Tensor):
        if isinstance(saved, Tensor) and saved.shape == own.shape:
            return saved
    elif same_type:
        return saved
    raise does_not_fit(file, field, f'something like {own!r:.40}', kind_of(saved))


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 < value <= _MAX_REPEATS


def is_number(value: Any) -> bool:
    """Whether a value is a number of a size that a training can use, or infinite or NaN."""
    if not isinstance(value, (int, float)):
        return False
    return abs(value) < _MAX_NUMBER or not math.isfinite(value)


def is_list_of_integers(value: Any) -> bool:
    """Whether a value is a list of integers."""
    return isinstance(value, list) and all(type(one) is int for one in value)


def kind_of(value: Any) -> str:
    """The kind of a value, for messages."""
    return 'none' if value is None else f'a value of type {type(value).__name__}'
