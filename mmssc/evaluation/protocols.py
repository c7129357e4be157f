"""Which voxels of a sample a protocol counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from mmssc.errors import DataError

from .functional import SSCCounts, count_voxels

__all__ = ['FULL', 'NYU', 'VISIBILITY', 'count_protocol', 'protocol_masks']

FULL = 'full'
NYU = 'nyu'
#: Sets of voxels of a drive: seen by the scan, hidden from it, seen by no scan.
VISIBILITY = ('visible', 'occluded', 'unobserved')
# Masks of the protocol: semantics on visible surface and occluded space, completion on occluded.
_NYU_MASKS = ('nyu_ssc', 'nyu_sc')


def protocol_masks(
    sample: Mapping[str, Any], protocol: str, name: str
) -> tuple[Tensor | None, Tensor | None]:
    """The voxels that count for semantics and for completion, (X, Y, Z) bool; None: all.

    Args:
        sample: A data sample with ``eval_masks``.
        protocol: ``'full'``, ``'nyu'`` or the name of a mask, see
            :class:`~mmssc.evaluation.SSCMetric`.
        name: Name of the sample, for errors.

    Raises:
        DataError: The sample does not have the mask.
    """
    if protocol == FULL:
        return None, None
    if protocol == NYU:
        semantic, completion = (_mask_of(sample, part, name) for part in _NYU_MASKS)
        return semantic, completion
    mask = _mask_of(sample, protocol, name)
    return mask, mask


def count_protocol(
    prediction: Tensor,
    target: Tensor,
    num_classes: int,
    masks: tuple[Tensor | None, Tensor | None],
) -> SSCCounts:
    """Count a volume on the masks of a protocol.

    Args:
        prediction: (X, Y, Z) class ids.
        target: (X, Y, Z) labels, 255 = no label.
        num_classes: K, with the empty class.
        masks: See :func:`protocol_masks`.

    Raises:
        DataError: See :func:`count_voxels`.
    """
    semantic, completion = masks
    counts = count_voxels(prediction, target, num_classes, semantic)
    if completion is semantic:
        return counts
    occluded = count_voxels(prediction, target, num_classes, completion)
    return replace(counts, own_completion=occluded.completion)


def _mask_of(sample: Mapping[str, Any], mask: str, name: str) -> Tensor:
    masks = sample.get('eval_masks') or {}
    if mask not in masks:
        hint = "The protocol 'full' needs no mask"
        if mask in _NYU_MASKS:
            hint = 'LoadRGBDFrame(keys=[..., "eval_masks"]) indoors, LoadDrivingMasks on a drive'
        elif mask in VISIBILITY:
            hint = "The pipeline needs LoadDrivingMasks(kinds=('visibility',))"
        raise DataError(name, 'eval_masks', f'a mask {mask!r}', sorted(masks), hint)
    return torch.as_tensor(masks[mask], dtype=torch.bool)
