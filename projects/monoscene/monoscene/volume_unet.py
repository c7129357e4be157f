"""The 3D U-Net of MonoScene."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmssc.errors import DataError
from mmssc.models.layers import (
    DDRBottleneck3D,
    ResidualASPP3d,
    UpsampleBlock3D,
    recompute_in_backward,
)
from mmssc.ops import channels_last_on_cpu
from mmssc.registry import MODELS

from .context_prior import ContextPrior

__all__ = ['ContextVolumeUNet']


@MODELS.register_module()
class ContextVolumeUNet(BaseModule):
    """Two stages down, the context prior at a quarter of the resolution, up again, classifier.

    Args:
        channels: Channels F of the lifted features, a multiple of 4.
        num_classes: Number of classes K.
        shape: (X, Y, Z) of the lifted features, multiples of 4.
        scale_factor: Resolution of the prediction over that of the features, 1 or 2.
        num_relations: Relations of the context prior, 4 or 2.
        channels_last_head: Keep the volumes of the head channels last in memory on a GPU, too. On a
            CPU all volumes have this order: 3x3x3 convolutions take two thirds of the time.
        with_cp: Recompute blocks in the backward pass instead of storing their tensors.

    Raises:
        DataError: A size does not fit.
    """

    def __init__(
        self,
        channels: int,
        num_classes: int,
        shape: Sequence[int],
        scale_factor: int = 2,
        num_relations: int = 4,
        channels_last_head: bool = False,
        with_cp: bool = False,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if any(side % 4 for side in shape):
            raise DataError('config', 'ContextVolumeUNet.shape', 'multiples of 4', tuple(shape))
        if scale_factor not in (1, 2):
            raise DataError('config', 'ContextVolumeUNet.scale_factor', '1 or 2', scale_factor)
        self.with_cp = with_cp
        self.down1 = _down_stage(channels)
        self.down2 = _down_stage(2 * channels)
        self.context = ContextPrior(4 * channels, [side // 4 for side in shape], num_relations)
        self.up2 = UpsampleBlock3D(4 * channels, 2 * channels)
        self.up1 = UpsampleBlock3D(2 * channels, channels)
        width = channels // scale_factor
        self.up0 = UpsampleBlock3D(channels, width) if scale_factor == 2 else nn.Identity()
        self.head = _Head(width, num_classes, channels_last_head, with_cp)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Classify the voxels.

        Args:
            x: (B, F, X, Y, Z).

        Returns:
            ``logits`` (B, K, sX, sY, sZ) · ``relation_logits`` (B, R, M, N) of the N voxels and M
            mega voxels at a quarter of the resolution, flat · ``down1``, ``down2``, ``context``,
            ``up2``, ``up1``, ``up0``: the volumes on the way.
        """
        x = channels_last_on_cpu(x)
        outputs = {}
        outputs['down1'] = self._run(self.down1, x)
        outputs['down2'] = self._run(self.down2, outputs['down1'])
        outputs['context'], outputs['relation_logits'] = self.context(outputs['down2'])
        outputs['up2'] = self.up2(outputs['context'])
        outputs['up1'] = self._run(self.up1, outputs['up2'] + outputs['down1'])
        outputs['up0'] = self._run(self.up0, outputs['up1'] + x)
        return dict(logits=self.head(outputs['up0']), **outputs)

    def _run(self, module: nn.Module, x: Tensor) -> Tensor:
        return recompute_in_backward(module, x) if self.with_cp else module(x)


def _down_stage(channels: int) -> nn.Sequential:
    """Three dilated DDR blocks and one that halves the sides and doubles the channels."""
    planes = channels // 4
    return nn.Sequential(
        *(DDRBottleneck3D(channels, planes, dilation=dilation) for dilation in (1, 2, 3)),
        DDRBottleneck3D(channels, planes, expansion=8, stride=2, downsample=True),
    )


class _Head(nn.Module):
    """Convolution, dilated residual branches, classifier."""

    def __init__(self, channels: int, num_classes: int, channels_last: bool, with_cp: bool) -> None:
        super().__init__()
        self.channels_last = channels_last
        self.conv_in = nn.Conv3d(channels, channels, 3, padding=1)
        self.aspp = ResidualASPP3d(channels, with_cp=with_cp)
        self.classifier = nn.Conv3d(channels, num_classes, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        if self.channels_last:
            x = x.contiguous(memory_format=torch.channels_last_3d)
        else:
            x = channels_last_on_cpu(x)
        # Losses go through the logits class by class, so these are never channels last.
        return self.classifier(self.aspp(F.relu(self.conv_in(x)))).contiguous()
