"""Modulation of one feature volume by another."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmssc.geometry.tracing import has_values
from mmssc.ops.modulation import modulate_rows

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
        if x.device.type == 'cpu' and has_values() and not torch.jit.is_tracing():
            return self._by_rows(x, guide)
        return self.by_formula(x, guide)

    def by_formula(self, x: Tensor, guide: Tensor) -> Tensor:
        """:meth:`forward` in plain PyTorch."""
        factor = torch.sigmoid(self.scale(guide))
        # x * (1 + factor) + shift in place: the backward pass stores x and factor only.
        return self.shift(guide).add_(x).addcmul_(x, factor)

    def _by_rows(self, x: Tensor, guide: Tensor) -> Tensor:
        """The voxels as rows: no factor is stored, and the backward pass takes half the time."""
        rows, guide_rows = (one.permute(0, 2, 3, 4, 1).flatten(0, 3) for one in (x, guide))
        weight = torch.cat([self.scale.weight, self.shift.weight]).flatten(1)
        bias = torch.cat([self.scale.get_parameter('bias'), self.shift.get_parameter('bias')])
        modulated = modulate_rows(rows, guide_rows, weight, bias)
        return modulated.view(len(x), *x.shape[2:], -1).permute(0, 4, 1, 2, 3)
