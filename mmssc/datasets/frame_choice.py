"""What all data sets share: items that are made when they are read, and checked ``indices``."""

from __future__ import annotations

import random
from collections.abc import Sequence
from numbers import Integral
from typing import Any

from mmengine.dataset import BaseDataset

from mmssc.errors import DataError, counted

__all__ = ['FrameChoiceDataset']


class FrameChoiceDataset(BaseDataset):
    """A data set that refuses ``indices`` beyond its frames, and starts fast with a long list.

    For a number above that of the frames, mmengine would use fewer frames without a word; for 0 or
    an empty list, none.

    mmengine keeps what :meth:`load_data_list` returns. That is a short record for each frame; the
    paths and matrices of its item take fifty times as much memory, and long to make for a million
    frames. So :meth:`make_item` makes an item when it is read.
    """

    def get_data_info(self, idx: int) -> dict[str, Any]:
        """The item of a frame, as the pipeline gets it.

        Args:
            idx: Number of the frame; -1 is the last one.
        """
        record = super().get_data_info(idx)
        return dict(self.make_item(record), sample_idx=record['sample_idx'])

    def prepare_data(self, idx: int) -> Any:
        """The sample of a frame.

        Its item has ``draw_item``, which returns the item of a random frame, for transforms that
        mix frames.

        Args:
            idx: Number of the frame.
        """
        return self.pipeline(dict(self.get_data_info(idx), draw_item=self.draw_item))

    def draw_item(self) -> dict[str, Any]:
        """The item of a random frame, from the generator of Python's ``random``."""
        return self.get_data_info(random.randrange(len(self)))

    def make_item(self, record: dict[str, Any]) -> dict[str, Any]:
        """The item of a record of :meth:`load_data_list`; this base returns the record.

        A subclass whose own ``load_data_list`` makes whole items gets them back.
        """
        return record

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
