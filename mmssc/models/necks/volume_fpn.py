"""Feature pyramid on volumes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmssc.models.layers.ddr import ConvBlock3D
from mmssc.models.layers.recompute import recompute_in_backward
from mmssc.models.layers.weight_init import kaiming_init_convs
from mmssc.registry import MODELS

from .three_planes import ThreePlanes

__all__ = ['VolumeFPN']


class _Level(nn.Module):
    """Join the map of a level with the next coarser one, at the size of the former."""

    def __init__(self, channels: int, norm_cfg: dict[str, Any], with_planes: bool) -> None:
        super().__init__()
        self.lateral = ConvBlock3D(
            2 * channels, channels, norm_cfg, kernel_size=1, channels_last=False
        )
        self.fpn = ConvBlock3D(channels, channels, norm_cfg, channels_last=False)
        kaiming_init_convs(self, 'fan_out')
        # After the initialisation above: its convolutions keep PyTorch's own.
        self.planes = ThreePlanes(channels, norm_cfg) if with_planes else nn.Identity()

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        coarse = F.interpolate(coarse, fine.shape[2:], mode='trilinear', align_corners=False)
        return self.fpn(self.lateral(torch.cat([self.planes(fine), coarse], 1)))


@MODELS.register_module()
class VolumeFPN(BaseModule):
    """Joins the maps of a backbone from coarse to fine (VoxDet).

    Args:
        channels: Channels of every map and of the output.
        norm_cfg: Normalisation.
        num_levels: Maps; the coarsest stays as it is.
        with_planes: Whether each finer map passes through :class:`ThreePlanes` first.
        with_cp: Recompute every level in the backward pass: less memory, a third more time.
        init_cfg: Initialisation config of mmengine.
    """

    def __init__(
        self,
        channels: int,
        norm_cfg: dict[str, Any],
        num_levels: int = 3,
        with_planes: bool = False,
        with_cp: bool = False,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.with_cp = with_cp
        self.levels = nn.ModuleList(
            _Level(channels, norm_cfg, with_planes) for _ in range(num_levels - 1)
        )

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Join maps (B, channels, X_i, Y_i, Z_i), finest first, to one of the finest's size."""
        joined = maps[-1]
        for level, fine in zip(reversed(self.levels), reversed(maps[:-1])):
            arguments = level, fine, joined
            joined = recompute_in_backward(*arguments) if self.with_cp else level(fine, joined)
        return joined
