"""The order in which volumes lie in memory."""

from __future__ import annotations

import torch
from torch import Tensor

from mmssc.ops.autocast import autocast_dtype

__all__ = ['fast_layout']


def fast_layout(volume: Tensor) -> Tensor:
    """The same volume in the memory order in which convolutions are fastest on its device.

    Channels-last on a CPU; elsewhere as it is, and in mixed precision: there, gradients of
    channels-last volumes were zero now and then (oneDNN of torch 2.13). Convolutions, normalisation
    and activations keep the order, so only the entrance of a chain of layers needs this.

    Args:
        volume: (B, C, X, Y, Z).
    """
    if volume.device.type != 'cpu' or autocast_dtype('cpu') is not None:
        return volume
    return volume.contiguous(memory_format=torch.channels_last_3d)
