"""A volume seen as three planes (VoxDet, arXiv 2506.04623)."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from mmssc.models.layers.ddr import ConvBlock3D
from mmssc.models.layers.norm import build_norm
from mmssc.ops import DeformConv2d

__all__ = ['ThreePlanes']

# Plane -> axis of (B, C, X, Y, Z) that it lacks; its rows and columns are the other two, in order.
_PLANES = dict(xy=4, yz=2, zx=3)


class _Plane(nn.Module):
    """Deformable 3x3 convolution whose offsets come from the image itself."""

    def __init__(self, channels: int, norm_cfg: dict[str, Any]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 1)
        self.offset = nn.Conv2d(channels, 18, 3, padding=1)
        self.deform_conv = DeformConv2d(channels, channels, 3, padding=1)
        self.norm = build_norm(norm_cfg, channels, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.conv(x))
        return F.relu(self.norm(self.deform_conv(x, self.offset(x))))


class ThreePlanes(nn.Module):
    """Add to a volume what deformable convolutions find on its xy, yz and zx planes.

    Each plane is the mean of the volume along the third axis, weighted by a learned softmax.

    Args:
        channels: Channels of the volume.
        norm_cfg: Normalisation.
    """

    def __init__(self, channels: int, norm_cfg: dict[str, Any]) -> None:
        super().__init__()
        self.weights_conv = nn.Conv3d(channels, len(_PLANES), 1, bias=False)
        self.planes = nn.ModuleDict({name: _Plane(channels, norm_cfg) for name in _PLANES})
        self.fuse = ConvBlock3D(channels, channels, norm_cfg, kernel_size=1, channels_last=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels, X, Y, Z) to the same shape."""
        total = None
        for (name, axis), weight in zip(_PLANES.items(), self.weights_conv(x).split(1, 1)):
            image = (x * weight.softmax(axis)).sum(axis)
            seen = self.planes[name](image).unsqueeze(axis)
            total = seen if total is None else total + seen
        return x + self.fuse(total)
