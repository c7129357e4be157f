"""Residual network on volumes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch.nn.functional as F
from mmcv.cnn.bricks.drop import DropPath
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmssc.models.layers.ddr import ConvBlock3D
from mmssc.models.layers.recompute import recompute_in_backward
from mmssc.models.layers.weight_init import kaiming_init_convs
from mmssc.registry import MODELS

__all__ = ['VolumeResNet']

_BN = dict(type='BN')


class _ResidualBlock(nn.Module):
    """Two 3x3x3 convolutions and an identity, which is a third one where the stage starts."""

    def __init__(
        self,
        channels: int,
        stride: int,
        drop_path: float,
        norm_cfg: dict[str, Any],
        shortcut_norm_cfg: dict[str, Any] | None,
    ) -> None:
        super().__init__()
        conv = partial(ConvBlock3D, channels, channels, channels_last=False)
        self.conv1 = conv(norm_cfg, stride=stride)
        self.conv2 = conv(norm_cfg, activate=False)
        self.drop_path = DropPath(drop_path)
        self.shortcut: nn.Module = nn.Identity()
        if shortcut_norm_cfg is not None:
            self.shortcut = conv(shortcut_norm_cfg, stride=stride, activate=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.drop_path(self.conv2(self.conv1(x))) + self.shortcut(x), inplace=True)


@MODELS.register_module()
class VolumeResNet(BaseModule):
    """Stages of basic blocks with 3x3x3 convolutions; every stage has the same width (VoxDet).

    The shortcut of the first block of a stage is a convolution with normalisation, also at
    stride 1.

    Args:
        channels: Channels of input, stages and outputs.
        depths: Blocks of each stage.
        strides: Stride of the first block of each stage.
        drop_path: Rate of block k of n is ``drop_path * k / n``: a sample skips the convolutions of
            the block in training.
        norm_cfg: Normalisation of the blocks.
        shortcut_norm_cfg: Normalisation of the shortcuts; None takes ``norm_cfg``.
        with_cp: Recompute every block in the backward pass: less memory, a third more time.
        init_cfg: Initialisation config of mmengine.
    """

    def __init__(
        self,
        channels: int,
        depths: Sequence[int] = (2, 2, 2),
        strides: Sequence[int] = (1, 2, 2),
        drop_path: float = 0.3,
        norm_cfg: dict[str, Any] = _BN,
        shortcut_norm_cfg: dict[str, Any] | None = None,
        with_cp: bool = False,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.with_cp = with_cp
        shortcut = shortcut_norm_cfg or norm_cfg
        rates = iter(drop_path * k / sum(depths) for k in range(sum(depths)))
        self.stages = nn.ModuleList(
            nn.ModuleList(
                _ResidualBlock(
                    channels,
                    1 if number else stride,
                    next(rates),
                    norm_cfg,
                    None if number else shortcut,
                )
                for number in range(depth)
            )
            for depth, stride in zip(depths, strides)
        )
        kaiming_init_convs(self, 'fan_out')

    def forward(self, x: Tensor) -> list[Tensor]:
        """Map (B, channels, X, Y, Z) to the output of every stage, finest first."""
        outputs = []
        for stage in self.stages.children():
            for block in stage.children():
                x = recompute_in_backward(block, x) if self.with_cp else block(x)
            outputs.append(x)
        return outputs
