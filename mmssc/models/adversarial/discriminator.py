"""Discriminator of AMMNet: separates annotated label volumes from other volumes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional

from mmssc.errors import DataError
from mmssc.models.layers.ddr import DDRBottleneck3D, DDRStage
from mmssc.models.layers.memory_layout import fast_layout
from mmssc.registry import MODELS

__all__ = ['VolumeDiscriminator']

_PLAIN_BN = dict(type='BN')


@MODELS.register_module()
class VolumeDiscriminator(BaseModule):
    """Four DDR blocks of strides 2, 2, 3 and 1, then two linear layers: one logit per volume.

    Args:
        num_classes: Channels of the volume.
        volume_shape: Sides (X, Y, Z) of the volume, at least 9 each; they set the size of the
            first linear layer.
        channels: Channels at half resolution, a multiple of 4; lower resolutions have twice as
            many.
        hidden: Channels between the two linear layers.
        norm_cfg: Normalisation.

    Raises:
        DataError: A side is shorter than 9.
    """

    def __init__(
        self,
        num_classes: int,
        volume_shape: Sequence[int],
        channels: int = 64,
        hidden: int = 128,
        norm_cfg: dict[str, Any] = _PLAIN_BN,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        wide = 2 * channels
        self.conv = nn.Conv3d(num_classes, channels, 1, bias=False)
        self.blocks = nn.Sequential(
            *DDRStage(channels, channels, dilations=(), norm_cfg=norm_cfg),
            *DDRStage(channels, wide, dilations=(), norm_cfg=norm_cfg),
            DDRBottleneck3D(wide, wide // 4, stride=3, downsample=True, norm_cfg=norm_cfg),
            DDRBottleneck3D(wide, wide // 4, norm_cfg=norm_cfg),
        )
        quarters = [math.ceil(side / 4) for side in volume_shape]
        if min(quarters) < 3:
            field, found = 'VolumeDiscriminator.volume_shape', tuple(volume_shape)
            raise DataError('config', field, 'sides of at least 9', found)
        cells = math.prod(math.ceil(side / 3) for side in quarters)
        self.linear = nn.Linear(wide * cells, hidden)
        self.classifier = nn.Linear(hidden, 1)

    def forward(self, volume: Tensor) -> Tensor:
        """Classify volumes as annotated or not.

        Args:
            volume: (B, num_classes, X, Y, Z), one-hot labels, or logits that are 0 in ignored
                voxels.

        Returns:
            (B,) logits, positive for "annotated".
        """
        # The order of the few channels of the input costs less to change than that of the output.
        features = self.blocks(self.conv(fast_layout(volume))).flatten(1)
        return self.classifier(functional.relu(self.linear(features))).squeeze(1)
