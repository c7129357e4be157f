"""Logits of a volume by two convolutions, and their losses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmssc.models.layers.ddr import ConvBlock3D
from mmssc.registry import MODELS

__all__ = ['VolumeLogitsHead', 'volume_predictor']


def volume_predictor(channels: int, out_channels: int, norm_cfg: dict[str, Any]) -> nn.Sequential:
    """3x3x3 convolution to half the channels, normalisation, ReLU, 1x1x1 convolution; no biases."""
    return nn.Sequential(
        ConvBlock3D(channels, channels // 2, norm_cfg, channels_last=False),
        nn.Conv3d(channels // 2, out_channels, 1, bias=False),
    )


@MODELS.register_module()
class VolumeLogitsHead(BaseModule):
    """Classes of a volume, at the resolution of the labels (auxiliary head of VoxDet).

    Args:
        num_classes: Number of classes K, including empty.
        channels: Channels of the volume.
        norm_cfg: Normalisation.
        losses: Loss name, e.g. ``'voxel_ce'`` -> config.
        init_cfg: Initialisation config of mmengine.
    """

    def __init__(
        self,
        num_classes: int,
        channels: int,
        norm_cfg: dict[str, Any],
        losses: dict[str, dict[str, Any]] | None = None,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.num_classes = num_classes
        self.classifier = volume_predictor(channels, num_classes, norm_cfg)
        self.losses = nn.ModuleDict(
            {name: MODELS.build(cfg) for name, cfg in (losses or {}).items()}
        )

    def classify(self, volume: Tensor, shape: Sequence[int]) -> Tensor:
        """Map (B, channels, X, Y, Z) to logits (B, K, X, Y, Z) of the shape asked for."""
        logits = self.classifier(volume)
        return F.interpolate(logits, tuple(shape), mode='trilinear', align_corners=False)

    def logit_losses(self, logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """``loss_<name>`` of logits (B, K, X, Y, Z) and labels (B, X, Y, Z)."""
        return {f'loss_{name}': loss(logits, labels) for name, loss in self.losses.items()}
