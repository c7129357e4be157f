"""Refuse logits that are NaN or infinite: their argmax looks like a valid, mostly empty scene."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mmssc.errors import DataError
from mmssc.structures import SSCDataSample

__all__ = ['check_logits']

_EXPECTED, _FOUND = 'finite numbers', 'NaN or infinity'


def check_logits(
    logits: Tensor,
    model: nn.Module,
    inputs: Mapping[str, Any],
    data_samples: Sequence[SSCDataSample],
) -> None:
    """Refuse a batch of logits that holds NaN or infinity, and name the cause.

    Args:
        logits: (B, K, X, Y, Z).
        model: The model that computed them.
        inputs: What it computed them from.
        data_samples: One per sample, for its name.

    Raises:
        DataError: A logit is not finite. The message names the weight or the input that is not
            finite either; if all are finite, an intermediate result was too large.
    """
    # One pass without a copy, and one transfer from the device; NaN is passed on.
    if torch.stack(logits.aminmax()).isfinite().all():
        return
    weight = _first_not_finite(model.state_dict().items())
    if weight is not None:
        raise DataError(
            f'weights of {type(model).__name__}', weight, _EXPECTED, _FOUND,
            'The training diverged: use an earlier checkpoint, or train with a lower learning rate',
        )  # fmt: skip
    number = next(index for index, one in enumerate(logits) if not one.isfinite().all())
    source = _name_of(data_samples[number], number)
    field = _first_not_finite((name, _of_sample(value, number)) for name, value in inputs.items())
    if field is not None:
        raise DataError(source, field, _EXPECTED, _FOUND, 'Check this input of the model')
    precision = str(logits.dtype).replace('torch.', '')
    raise DataError(
        source, 'logits', _EXPECTED, _FOUND,
        f'A result in the network is too large for its numbers (logits: {precision}). Run the '
        'model in float32, and check that it is trained and that the inputs have the right unit',
    )  # fmt: skip


def _first_not_finite(values: Iterable[tuple[str, Any]]) -> str | None:
    for name, value in values:
        if isinstance(value, Tensor) and not value.isfinite().all():
            return name
    return None


def _of_sample(value: Any, number: int) -> Any:
    """The part of a batched input that belongs to one sample."""
    batched = isinstance(value, (list, tuple)) or (isinstance(value, Tensor) and value.dim() > 0)
    return value[number] if batched and number < len(value) else value


def _name_of(sample: SSCDataSample, number: int) -> str:
    paths = sample.get('img_paths')
    if paths:
        return str(paths[0])
    names = [sample.get(key) for key in ('sequence', 'frame_id')]
    named = '/'.join(str(name) for name in names if name)
    return f'sample {named or f"{number} of the batch"}'
