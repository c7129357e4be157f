"""Checkpoint files: read only the weights, write atomically."""

from __future__ import annotations

import io
from collections.abc import Mapping
from os import PathLike
from typing import Any

import torch
from torch import Tensor

from mmssc.compat import WEIGHTS, read_checkpoint
from mmssc.errors import DataError
from mmssc.fileio import atomic_write

__all__ = ['read_state_dict', 'weights_of', 'write_state_dict']

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
    return weights_of(read_checkpoint(path), path)


def weights_of(content: Mapping[str, Any], path: str | PathLike[str]) -> dict[str, Tensor]:
    """The weights in the content of a checkpoint, see :func:`read_state_dict`.

    Args:
        content: What :func:`~mmssc.compat.read_checkpoint` returns.
        path: The file, for messages.

    Raises:
        DataError: It has no weights.
    """
    state = next(
        (content[key] for key in WEIGHTS if isinstance(content.get(key), Mapping)), content
    )
    if not state:
        raise DataError(path, expected='weights', found='an empty dict')
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
    # On a full disk, torch would hide the error of a file behind one of its own.
    content = io.BytesIO()
    torch.save({'meta': dict(meta), 'state_dict': dict(state)}, content)
    with atomic_write(path) as file:
        file.write(content.getbuffer())
