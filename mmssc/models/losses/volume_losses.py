"""Targets of a batch, and losses on volumes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from mmssc.errors import DataError
from mmssc.structures import SSCDataSample

from .class_sums import ClassSums, ClassSumsLoss, SumSettings

__all__ = ['loss_names', 'stack_targets', 'volume_losses']


def stack_targets(
    data_samples: Sequence[SSCDataSample], field: str, shape: Sequence[int]
) -> Tensor:
    """Stack one field of all samples.

    Args:
        data_samples: Samples of a batch.
        field: Name of a volume, e.g. ``'gt_voxels'``.
        shape: Required shape (X, Y, Z).

    Returns:
        (B, X, Y, Z), in the field's dtype.

    Raises:
        DataError: A sample lacks the field, or its shape differs.
    """
    for sample in data_samples:
        name = f'sample {sample.get("sequence")}/{sample.get("frame_id")}'
        if field not in sample:
            raise DataError(name, field, 'a target volume', 'none', 'Training needs labels.')
        if sample.get(field).shape != tuple(shape):
            raise DataError(name, field, tuple(shape), tuple(sample.get(field).shape))
    return torch.stack([sample.get(field) for sample in data_samples])


def volume_losses(
    losses: Mapping[str, nn.Module] | nn.ModuleDict,
    logits: Tensor,
    data_samples: Sequence[SSCDataSample],
    field: str = 'gt_voxels',
) -> dict[str, Tensor]:
    """Losses on the logits of a volume, each with the targets that it needs.

    Losses that need sums of the same probabilities share them, see :class:`ClassSums`.

    Args:
        losses: Name -> :class:`~mmssc.models.losses.SSCLoss`. A module without ``extra_targets``
            gets the logits and the labels.
        logits: (B, K, X, Y, Z).
        data_samples: Samples with ``field`` and the ``extra_targets`` of the losses.
        field: Name of the labels.

    Returns:
        Name -> scalar.

    Raises:
        DataError: A sample lacks a target, or its shape differs.
    """
    shape = logits.shape[2:]
    target = stack_targets(data_samples, field, shape)
    extra = {
        name: [stack_targets(data_samples, one, shape) for one in _extra_targets(loss)]
        for name, loss in losses.items()
    }
    shared = _shared_sums(losses, logits, target, extra)
    return {
        name: loss(logits, target, sums=shared[name])
        if name in shared
        else loss(logits, target, *extra[name])
        for name, loss in losses.items()
    }


def _extra_targets(loss: nn.Module) -> Sequence[str]:
    return getattr(loss, 'extra_targets', ())


def _shared_sums(
    losses: Mapping[str, nn.Module] | nn.ModuleDict,
    logits: Tensor,
    target: Tensor,
    extra: Mapping[str, Sequence[Tensor]],
) -> dict[str, ClassSums]:
    """Name of a loss -> its sums, if it is not the only loss that needs them."""
    groups: dict[SumSettings, dict[str, ClassSumsLoss]] = {}
    for name, loss in losses.items():
        if isinstance(loss, ClassSumsLoss):
            settings = loss.sum_settings()
            if settings is not None:
                groups.setdefault(settings, {})[name] = loss
    shared = {}
    for group in groups.values():
        if len(group) > 1:
            # The frustums of the one loss that needs them do not matter to the others.
            maker = max(group, key=lambda name: len(extra[name]))
            sums = group[maker].make_sums(logits, target, *extra[maker])
            shared.update(dict.fromkeys(group, sums))
    return shared


def loss_names(losses: Iterable[nn.Module]) -> list[str]:
    """Names for the log of losses that a config only lists.

    ``loss_`` and the class, ``loss_lovasz_softmax``; the second of a class ends in ``_2``.
    """
    names: list[str] = []
    for loss in losses:
        kind = type(loss).__name__.removesuffix('Loss')
        name = 'loss_' + re.sub(r'(?<=[a-z0-9])(?=[A-Z])', '_', kind).lower()
        number = sum(re.fullmatch(rf'{name}(_\d+)?', other) is not None for other in names)
        names.append(f'{name}_{number + 1}' if number else name)
    return names
