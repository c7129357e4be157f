"""Publish a training checkpoint without everything that only training needs."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any

import torch
from torch import Tensor

from mmssc.compat import read_checkpoint
from mmssc.errors import DataError

from .files import weights_of, write_state_dict

__all__ = ['publish_checkpoint']

_FINITE = ('weight', 'bias', 'running_mean', 'running_var')
_KEPT = ('epoch', 'iter', 'seed', 'dataset_meta')


def publish_checkpoint(
    source: str | PathLike[str], target: str | PathLike[str], half: bool = False
) -> dict[str, Any]:
    """Keep the weights (the averaged ones, if training averaged them) and the metainfo.

    Dropped: optimiser, schedules, log, config (with the paths of the machine), the second set of
    weights of ``EMAHook``.

    Args:
        source: A checkpoint of the Runner. mmengine stores the averaged weights as ``state_dict``.
        target: File to write, atomically; it holds weights and plain values.
        half: Store float32 tensors of two and more axes as float16, half of the size. A model
            converts them back to its own type when it loads them; only the rounding remains.

    Returns:
        The metainfo that was kept: epoch, iteration, seed, classes and grid.

    Raises:
        DataError: The source is missing, damaged, has no weights, has a NaN in a weight or no
            whole number as epoch; ``half`` and a value is too large for float16.
    """
    content = read_checkpoint(source)
    state, stored = weights_of(content, source), content.get('meta') or {}
    meta = {key: stored[key] for key in _KEPT if key in stored}
    _check_content(state, meta, source)
    if half:
        state = {name: _halved(name, value, source) for name, value in state.items()}
    write_state_dict(target, state, meta)
    return meta


def _check_content(
    state: Mapping[str, Any], meta: Mapping[str, Any], source: str | PathLike[str]
) -> None:
    """Refuse what no model loads."""
    for name, value in state.items():
        if not (isinstance(value, Tensor) and value.is_floating_point()):
            continue
        numbers = value.to(torch.float32)  # types of 8 bits have no isfinite()
        # Infinity can be right in a buffer with a mask.
        wrong = ~numbers.isfinite() if name.endswith(_FINITE) else numbers.isnan()
        if bool(wrong.any()):
            hint = 'Publish an earlier checkpoint: the training has failed in this one'
            raise DataError(source, name, 'finite numbers', 'NaN or infinity', hint)
    for name in ('epoch', 'iter'):
        number = meta.get(name, 0)
        if type(number) is not int or number < 0:
            raise DataError(source, f'meta, {name}', 'a whole number from 0', f'{number!r:.40}')


def _halved(name: str, value: Tensor, source: str | PathLike[str]) -> Tensor:
    if value.dtype != torch.float32 or value.dim() < 2:
        return value
    result = value.half()
    if bool(result.isinf().any() & value.isfinite().all()):
        largest = torch.finfo(torch.float16).max
        raise DataError(
            source, name, f'at most {largest:.0f}, the range of float16', float(value.abs().max())
        )
    return result
