"""Class weights from class frequencies."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mmssc.errors import DataError

__all__ = ['class_weights_from_counts']


def class_weights_from_counts(
    counts: Sequence[int], scale: float = 10.0, offset: float = 0.0, digits: int | None = 3
) -> list[float]:
    """Weight of each class: ``scale / ln(count + offset)``.

    The defaults give the weights of SGN; ``scale=1, offset=0.001, digits=None`` gives
    those of MonoScene and its successors.

    Args:
        counts: Number of voxels of each class in the training split, class 0 first.
        scale: Factor common to all classes.
        offset: Added to every count.
        digits: Decimals to round to; None: no rounding.

    Raises:
        DataError: A count is not above 1, so its logarithm gives no finite positive weight.
    """
    for index, count in enumerate(counts):
        if not count > 1:
            raise DataError('class counts', f'class {index}', 'a count above 1', count)
    weights = [scale / math.log(count + offset) for count in counts]
    return weights if digits is None else [round(weight, digits) for weight in weights]
