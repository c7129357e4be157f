"""The sketch of a label volume: its 3D edges."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from mmssc.errors import DataError

__all__ = ['label_sketch']

# Per response: the axes (of X, Y, Z) of the derivative, of the weights 1 2 1 and of the sum 1 1 1.
_RESPONSES = ((2, 0, 1), (0, 2, 1), (1, 2, 0))


def label_sketch(labels: Tensor, ignore: int = 255, unknown: str = 'empty') -> Tensor:
    """Edges of a label volume, as published by the authors of 3D-Sketch.

    Chen et al., "3D Sketch-aware Semantic Scene Completion via Semi-supervised Structure Prior",
    CVPR 2020. Three zero-padded 3x3x3 Sobel filters, one per axis, run over the class ids like
    over intensities. A voxel is an edge if at least two filters respond. So differences of ids may
    cancel, and an object that touches the border of the grid has an edge there.

    Args:
        labels: (..., X, Y, Z) class ids, 0 = empty; not changed.
        ignore: Id of voxels without a label.
        unknown: ``'empty'``: voxels without a label count as empty, so an object beside them has
            an edge (as in the reference). ``'ignore'``: the result is ``ignore`` where the 3x3x3
            neighbourhood has a voxel without a label.

    Returns:
        uint8 of the same shape and device, 1 = edge.

    Raises:
        DataError: The volume has fewer than three axes, its values are not whole numbers, or
            ``unknown`` is not one of the two.
    """
    if labels.ndim < 3 or labels.is_floating_point() or labels.is_complex():
        found = f'{labels.dtype} {tuple(labels.shape)}'
        raise DataError('labels', 'type', 'whole numbers (..., X, Y, Z)', found)
    if unknown not in ('empty', 'ignore'):
        raise DataError('sketch', 'unknown', "'empty' or 'ignore'", repr(unknown))
    without_label = labels == ignore
    # int32 is exact for every class id; a response is at most 12 times the largest.
    padded = F.pad(labels.to(torch.int32).masked_fill(without_label, 0), (1,) * 6)
    number = torch.zeros_like(without_label, dtype=torch.uint8)
    for derivative, weighted, summed in _RESPONSES:
        response = padded
        for axis, taps in ((derivative, (1, 0, -1)), (weighted, (1, 2, 1)), (summed, (1, 1, 1))):
            response = _correlate(response, axis - 3, taps)
        number += (response != 0).to(torch.uint8)
    sketch = (number >= 2).to(torch.uint8)
    if unknown == 'ignore':
        near = F.pad(without_label.to(torch.int32), (1,) * 6)
        for axis in (-3, -2, -1):
            near = _correlate(near, axis, (1, 1, 1))
        sketch.masked_fill_(near > 0, ignore)
    return sketch


def _correlate(volume: Tensor, axis: int, taps: tuple[int, int, int]) -> Tensor:
    """Correlation with three whole numbers along one axis; the axis gets two voxels shorter."""
    length = volume.shape[axis] - 2
    result = torch.zeros_like(volume.narrow(axis, 0, length))
    for start, tap in enumerate(taps):
        if tap:
            result += tap * volume.narrow(axis, start, length)
    return result
