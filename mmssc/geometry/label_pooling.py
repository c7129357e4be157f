"""Label volumes on coarser grids."""

from __future__ import annotations

import torch
from torch import Tensor

from mmssc.errors import DataError

__all__ = ['pool_labels', 'pool_labels_class_first']


def pool_labels(
    labels: Tensor,
    factor: int,
    num_classes: int,
    ignore: int = 255,
    empty_threshold: float = 0.95,
    tie: str = 'ignore',
) -> Tensor:
    """Pool a label volume by majority over blocks of ``factor`` ** 3 voxels.

    The rule of the completion benchmarks: if more than ``empty_threshold`` of a block is empty (0)
    or ignored, the block becomes the one of the two with more voxels; ``tie`` decides if they are
    equal. Every other block takes its most frequent label among 1..num_classes-1; if labels are
    equally frequent, the smallest id.

    Args:
        labels: (..., X, Y, Z) uint8 (or another integer type), sides multiples of ``factor``.
        factor: Edge of a block in voxels.
        num_classes: Number of classes, including empty (0).
        ignore: Id of voxels without a label.
        empty_threshold: Share of the block, see above.
        tie: A block with as many empty as ignored voxels is ``'ignore'`` (SemanticKITTI, and
            MonoScene and DDRNet on NYU) or ``'empty'`` (TorchSSC's files, so 3D-Sketch, CleanerS
            and AMMNet).

    Returns:
        (..., X / factor, Y / factor, Z / factor), same type and device.

    Raises:
        DataError: A side is not a multiple of ``factor``, an id is neither a class nor ``ignore``,
            or ``tie`` is unknown.
    """
    if tie not in ('ignore', 'empty'):
        raise DataError('label pooling', 'tie', "'ignore' or 'empty'", repr(tie))
    blocks, pooled_shape = _blocks(labels, factor, num_classes, ignore)
    num_empty = (blocks == 0).sum(1)
    num_ignored = (blocks == ignore).sum(1)
    pooled = torch.full_like(num_empty, ignore)
    pooled[num_empty > num_ignored if tie == 'ignore' else num_empty >= num_ignored] = 0
    # Few blocks hold a surface: count labels only in those.
    mixed = torch.nonzero(num_empty + num_ignored <= empty_threshold * factor**3)[:, 0]
    pooled[mixed] = _most_frequent_class(blocks[mixed], num_classes, ignore)
    return pooled.to(labels.dtype).reshape(pooled_shape)


def pool_labels_class_first(
    labels: Tensor, factor: int, num_classes: int, ignore: int = 255
) -> Tensor:
    """Pool a label volume over blocks of ``factor`` ** 3 voxels by the rule of LMSCNet.

    A block with at least one voxel of a class takes its most frequent class (if classes are equally
    frequent, the smallest id); any other block with at least one empty voxel becomes empty (0); the
    rest is ignored. LMSCNet pools every scale from the finest one. :func:`pool_labels` is the rule
    of the other methods.

    Args:
        labels: (..., X, Y, Z) uint8 (or another integer type), sides multiples of ``factor``.
        factor: Edge of a block in voxels.
        num_classes: Number of classes, including empty (0).
        ignore: Id of voxels without a label.

    Returns:
        (..., X / factor, Y / factor, Z / factor), same type and device.

    Raises:
        DataError: A side is not a multiple of ``factor``, or an id is neither a class nor
            ``ignore``.
    """
    blocks, pooled_shape = _blocks(labels, factor, num_classes, ignore)
    is_empty = blocks == 0
    pooled = torch.where(is_empty.any(1), 0, ignore)
    mixed = torch.nonzero((~is_empty & (blocks != ignore)).any(1))[:, 0]
    pooled[mixed] = _most_frequent_class(blocks[mixed], num_classes, ignore)
    return pooled.to(labels.dtype).reshape(pooled_shape)


def _blocks(
    labels: Tensor, factor: int, num_classes: int, ignore: int
) -> tuple[Tensor, tuple[int, ...]]:
    """Checked labels as (blocks, factor ** 3), and the shape of the pooled volume."""
    *batch, x, y, z = labels.shape
    if factor < 1 or x % factor or y % factor or z % factor:
        raise DataError('labels', 'shape', f'sides that are multiples of {factor}', (x, y, z))
    if not bool(((labels == ignore) | ((labels >= 0) & (labels < num_classes))).all()):
        found = sorted(set(torch.unique(labels).tolist()) - {*range(num_classes), ignore})
        raise DataError('labels', 'ids', f'0..{num_classes - 1} or {ignore}', found)
    blocks = labels.reshape(-1, x // factor, factor, y // factor, factor, z // factor, factor)
    blocks = blocks.permute(0, 1, 3, 5, 2, 4, 6).reshape(-1, factor**3)
    return blocks, (*batch, x // factor, y // factor, z // factor)


def _most_frequent_class(blocks: Tensor, num_classes: int, ignore: int) -> Tensor:
    """Most frequent of the labels 1..num_classes-1 of each block, the smallest if several are."""
    members = blocks.to(torch.int64)
    counts = torch.zeros(len(blocks), num_classes, dtype=torch.int64, device=blocks.device)
    is_class = (members != 0) & (members != ignore)
    counts.scatter_add_(1, members.masked_fill(~is_class, 0), is_class.to(torch.int64))
    # Compare the count first, then the smaller id, in one argmax.
    preference = torch.arange(num_classes, 0, -1, device=blocks.device)
    return (counts * (num_classes + 1) + preference).argmax(1)
