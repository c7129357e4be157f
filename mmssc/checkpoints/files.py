"""Checkpoint files: read only the weights, write atomically."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any

import torch
from torch import Tensor

from mmssc.compat import read_checkpoint
from mmssc.errors import DataError
from mmssc.fileio import atomic_write

__all__ = ['read_state_dict', 'write_state_dict']

_DDP_PREFIX = 'module.'


def read_state_dict(path: str | PathLike[str]) -> dict[str, Tensor]:
    """Read the weights of a checkpoint without running code from it.

    Args:
        path: A file of ``torch.save``: a state dict, or a dict with one under ``'state_dict'``
            (what mmcv, mmengine and Lightning write) or ``'model'`` (CleanerS and AMMNet). The
            prefix ``module.`` of wrapped models is removed.

    Raises:
        DataError: The file is missing or damaged, contains code, or has no weights.
    """
    content = read_checkpoint(path)
    state = content if isinstance(content, Mapping) else None
    for name in ('state_dict', 'model'):
        if state and isinstance(state.get(name), Mapping):
            state = state[name]
            break
    if not state or not isinstance(state, Mapping):
        raise DataError(path, expected='a state dict', found=type(content).__name__)
    wrong = [key for key, value in state.items() if not isinstance(value, Tensor)]
    if wrong:
        raise DataError(path, 'state dict', 'tensors only', f'another value at {wrong[0]!r}')
    if all(key.startswith(_DDP_PREFIX) for key in state):
        state = {key[len(_DDP_PREFIX) :]: value for key, value in state.items()}
    return dict(state)


def write_state_dict(
    path: str | PathLike[str], state: Mapping[str, Tensor], meta: Mapping[str, Any]
) -> None:
    """Write ``{'meta', 'state_dict'}``, what mmengine's ``load_checkpoint`` reads, atomically.

    Args:
        path: Final name of the file.
        state: The weights.
        meta: Plain values only; the reader refuses others.
    """
    with atomic_write(path) as file:
        torch.save({'meta': dict(meta), 'state_dict': dict(state)}, file)
