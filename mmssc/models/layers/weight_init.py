"""Weight initialisation that several methods share."""

from __future__ import annotations

from typing import Literal

from torch import nn

__all__ = ['kaiming_init_convs']


def kaiming_init_convs(module: nn.Module, mode: Literal['fan_in', 'fan_out'] = 'fan_in') -> None:
    """Initialise the weights of all 2D and 3D convolutions with ``kaiming_normal_``.

    Biases and transposed convolutions keep PyTorch's initial values.

    Args:
        module: Changed in place.
        mode: ``'fan_in'`` or ``'fan_out'``.
    """
    for part in module.modules():
        if isinstance(part, (nn.Conv2d, nn.Conv3d)):
            nn.init.kaiming_normal_(part.weight, mode=mode, nonlinearity='relu')
