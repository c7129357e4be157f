"""Image head of CleanerS and AMMNet: one fused feature map and 2D semantics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional

from mmssc.models.layers.norm import build_norm
from mmssc.registry import MODELS

__all__ = ['ImageSemanticHead']

_PLAIN_BN = dict(type='BN')


@MODELS.register_module()
class ImageSemanticHead(BaseModule):
    """The all-MLP head of SegFormer (arXiv 2105.15203, sec. 3.2), with dropout before the fusion.

    Each level is projected to ``channels`` and resized to the first level. The levels are
    concatenated, last level first, and fused to the feature map that is lifted into the volume. A
    classifier on this map gives the 2D logits.

    Args:
        in_channels: Channels of each level, finest first.
        channels: Channels of the fused feature.
        num_classes: Number of classes of the 2D logits, including empty.
        dropout: Rate of the element-wise dropout of the concatenation.
        norm_cfg: Normalisation after the fusion.
    """

    conv_norm_pairs = (('fuse_conv', 'fuse_norm'),)

    def __init__(
        self,
        in_channels: Sequence[int],
        channels: int,
        num_classes: int,
        dropout: float = 0.5,
        norm_cfg: dict[str, Any] = _PLAIN_BN,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.projections = nn.ModuleList(nn.Conv2d(width, channels, 1) for width in in_channels)
        self.dropout = nn.Dropout(dropout)
        self.fuse_conv = nn.Conv2d(len(in_channels) * channels, channels, 1, bias=False)
        self.fuse_norm = build_norm(norm_cfg, channels, 2)
        self.classifier = nn.Conv2d(channels, num_classes, 1)

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        """Fuse the levels.

        Args:
            levels: (B, C_i, H_i, W_i) each, finest first.

        Returns:
            (B, channels, H_0, W_0), non-negative.
        """
        size = levels[0].shape[-2:]
        projected = [conv(level) for conv, level in zip(self.projections, levels)]
        resized = [
            functional.interpolate(level, size, mode='bilinear', align_corners=False)
            for level in projected[:0:-1]
        ]
        fused = self.dropout(torch.cat([*resized, projected[0]], dim=1))
        return functional.relu(self.fuse_norm(self.fuse_conv(fused)))

    def classify(self, feature: Tensor, image_size: Sequence[int]) -> Tensor:
        """2D logits at image size.

        Args:
            feature: (B, channels, h, w), output of :meth:`forward`.
            image_size: (height, width) in pixels.

        Returns:
            (B, num_classes, height, width). Resized with aligned corners, unlike the lifted
            feature, as in the authors' networks.
        """
        logits = self.classifier(feature)
        return functional.interpolate(
            logits, tuple(image_size), mode='bilinear', align_corners=True
        )
