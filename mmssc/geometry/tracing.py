"""Whether tensors have values, or PyTorch traces a program from their shapes alone."""

from __future__ import annotations

import torch

__all__ = ['has_values']


def has_values() -> bool:
    """False in :func:`torch.export.export` and :func:`torch.compile`.

    Checks of values ask for it: a program without values cannot choose to raise an error.
    """
    is_compiling = getattr(torch.compiler, 'is_compiling', None)  # torch 2.3 and newer
    return is_compiling is None or not is_compiling()
