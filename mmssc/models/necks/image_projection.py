"""Projection of one backbone level to the channels of the volumes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmssc.models.layers.norm import build_norm
from mmssc.models.layers.weight_init import kaiming_init_convs
from mmssc.registry import MODELS

__all__ = ['ImageProjection']


@MODELS.register_module()
class ImageProjection(BaseModule):
    """1x1 convolution without bias, normalisation and ReLU on the last level of a backbone.

    Args:
        in_channels: Channels of that level.
        channels: Output channels.
        norm_cfg: Normalisation, see :func:`build_norm`.
    """

    conv_norm_pairs = (('conv', 'norm'),)

    def __init__(
        self,
        in_channels: int,
        channels: int,
        norm_cfg: dict[str, Any] = dict(type='BN'),  # noqa: B006, C408
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.conv = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.norm = build_norm(norm_cfg, channels, 2)
        kaiming_init_convs(self)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Map levels (B, C_i, h_i, w_i), the last with ``in_channels``, to (B, channels, h, w)."""
        return F.relu(self.norm(self.conv(features[-1])), inplace=True)
