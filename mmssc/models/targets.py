"""Targets of a batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mmssc.errors import DataError
from mmssc.structures import SSCDataSample

__all__ = ['stack_targets']


def stack_targets(
    data_samples: Sequence[SSCDataSample], field: str, shape: Sequence[int]
) -> Tensor:
    """One field of all samples.

    Args:
        data_samples: Samples of a batch.
        field: Name of a volume, e.g. ``'gt_voxels'``.
        shape: Shape (X, Y, Z) that it must have.

    Returns:
        (B, X, Y, Z), in the field's dtype.

    Raises:
        DataError: A sample lacks the field or has it in another shape.
    """
    for sample in data_samples:
        name = f'sample {sample.get("sequence")}/{sample.get("frame_id")}'
        if field not in sample:
            raise DataError(name, field, 'a target volume', 'none', 'Training needs labels.')
        if sample.get(field).shape != tuple(shape):
            raise DataError(name, field, tuple(shape), tuple(sample.get(field).shape))
    return torch.stack([sample.get(field) for sample in data_samples])
