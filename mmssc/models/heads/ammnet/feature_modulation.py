"""Modulation of one feature volume by another."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ['FeatureModulation']


class FeatureModulation(nn.Module):
    """Scale and shift every element by features of another modality (AMMNet, eq. 2).

    ``x * (1 + sigmoid(scale(guide))) + shift(guide)``, with 1x1x1 convolutions with bias. The
    factor lies between 1 and 2: the guide can amplify and shift a feature, but not suppress it.

    Args:
        channels: Channels of both volumes.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Conv3d(channels, channels, 1)
        self.shift = nn.Conv3d(channels, channels, 1)

    def forward(self, x: Tensor, guide: Tensor) -> Tensor:
        """Modulate ``x`` by ``guide``, both (B, channels, X, Y, Z)."""
        factor = torch.sigmoid(self.scale(guide))
        # x * (1 + factor) + shift in place: the backward pass stores x and factor only.
        return self.shift(guide).add_(x).addcmul_(x, factor)
