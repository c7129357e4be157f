"""The order in which volumes lie in memory."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ['fast_layout']


def fast_layout(volume: Tensor) -> Tensor:
    """The same volume in the memory order in which convolutions are fastest on its device.

    Channels-last on a CPU; elsewhere as it is. Convolutions, normalisation and activations keep
    the order, so only the entrance of a chain of layers needs this.

    Args:
        volume: (B, C, X, Y, Z).
    """
    if volume.device.type != 'cpu':
        return volume
    if volume.shape[1] == 1:
        # Both orders are the same bytes. PyTorch asks the strides, which have to name one.
        return volume[:, 0].contiguous().unsqueeze(-1).movedim(-1, 1)
    return volume.contiguous(memory_format=torch.channels_last_3d)
