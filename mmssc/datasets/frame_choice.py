"""The argument ``indices`` of a data set, checked."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any

from mmengine.dataset import BaseDataset

from mmssc.errors import DataError, counted

__all__ = ['FrameChoiceDataset']


class FrameChoiceDataset(BaseDataset):
    """A data set that refuses ``indices`` beyond its frames.

    For a number above that of the frames, mmengine would use fewer frames without a word; for 0 or
    an empty list, none.
    """

    def _get_unserialized_subset(self, indices: Any) -> list:
        _check_indices(indices, len(self.data_list), f'{type(self).__name__}.indices')
        return super()._get_unserialized_subset(indices)


def _is_whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _check_indices(indices: Any, count: int, field: str) -> None:
    if _is_whole(indices):
        if not 1 <= abs(indices) <= count:
            expected = f'a number of frames from 1 to {count}, or -{count} to -1 for the last ones'
            raise DataError('config', field, expected, indices)
        return
    is_list = isinstance(indices, Sequence) and not isinstance(indices, str)
    if not is_list or not len(indices) or not all(map(_is_whole, indices)):
        expected = 'a number of frames, or a list of the numbers of frames'
        raise DataError('config', field, expected, repr(indices)[:100])
    outside = [one for one in indices if not -count <= one < count]
    if outside:
        hint = f'The data set has {counted(count, "frame")}, counted from 0'
        raise DataError('config', field, f'numbers below {count}', outside[0], hint)
