"""Head of the light LiDAR completor: classes of blocks, and which of their voxels are empty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mmssc.models.layers.memory_layout import fast_layout
from mmssc.models.layers.norm import build_norm
from mmssc.models.layers.space_to_depth import depth_to_space
from mmssc.ops import prefer_onednn
from mmssc.registry import MODELS

from .scaled_volume_head import ScaledVolumeHead

__all__ = ['BlockHead']

_SIDE = 2
# With 19 classes: 95 % are empty.
_EMPTY_AT_START = 6.0
_BN = dict(type='BN')


@MODELS.register_module()
class BlockHead(ScaledVolumeHead):
    """Logits at full resolution from features at half of it (:class:`LightPlaneUNet`).

    The eight voxels of a block share the logits of their classes, and each has its own logit of
    "empty": the shape is sharp, and the classes cost an eighth.

    Two layers that all blocks share take the features of a block, of the one above it and of the
    one below. The features hold the voxels that the scan hits: so a hit voxel is occupied at every
    height, which a layer for each height would have to learn for each height.

    Args:
        num_classes: Number of classes K, with the empty one.
        in_channels: Channels of the features.
        hidden_channels: Channels between the two layers.
        norm_cfg: Normalisation.
        losses: See :class:`ScaledVolumeHead`.
        init_cfg: Initialisation config of mmengine.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 24,
        hidden_channels: int = 32,
        norm_cfg: dict[str, Any] = _BN,
        losses: Mapping[str, dict[str, Any]] | None = None,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(num_classes, (1,), losses, init_cfg)
        self.mix = nn.Sequential(
            nn.Conv3d(in_channels, hidden_channels, (1, 1, 3), padding=(0, 0, 1), bias=False),
            build_norm(norm_cfg, hidden_channels, 3),
            nn.ReLU(inplace=True),
        )
        self.classifier = nn.Linear(hidden_channels, _SIDE**3 + num_classes - 1)
        # Most voxels are empty. To learn only this takes hundreds of steps.
        nn.init.constant_(self.classifier.bias[: _SIDE**3], _EMPTY_AT_START)
        prefer_onednn(self)

    def score_blocks(self, features: Mapping[int, Tensor]) -> Tensor:
        """All that the logits are made of, (B, X / 2, Y / 2, Z / 2, 8 + K - 1).

        Args:
            features: See :meth:`forward`.

        Returns:
            For each block the logits of "empty" of its voxels, then those of its classes.
        """
        hidden = self.mix(fast_layout(features[_SIDE]))
        return self.classifier(hidden.permute(0, 2, 3, 4, 1))

    def label_blocks(self, scores: Tensor) -> Tensor:
        """The labels (B, X, Y, Z) uint8 with the largest logits, which are never made.

        Args:
            scores: See :meth:`score_blocks`.
        """
        best, label = scores[..., _SIDE**3 :].max(-1, keepdim=True)
        occupied = scores[..., : _SIDE**3] < best
        return depth_to_space(occupied * (label + 1).to(torch.uint8), _SIDE).squeeze(-1)

    def forward(
        self, features: Mapping[int, Tensor], scales: Sequence[int] | None = None
    ) -> dict[int, Tensor]:
        """See :meth:`ScaledVolumeHead.forward`; features: those of :class:`LightPlaneUNet`."""
        blocks = self.score_blocks(features).permute(0, 4, 1, 2, 3)
        batch, _, x, y, z = blocks.shape
        # Axes: batch, class, then the block and the place in it for each axis.
        empty = blocks[:, : _SIDE**3].unflatten(1, (1, _SIDE, _SIDE, _SIDE))
        empty = empty.permute(0, 1, 5, 2, 6, 3, 7, 4)
        classes = blocks[:, _SIDE**3 :, :, None, :, None, :, None]
        classes = classes.expand(-1, -1, -1, _SIDE, -1, _SIDE, -1, _SIDE)
        logits = torch.cat([empty, classes], 1)
        return {1: logits.reshape(batch, -1, _SIDE * x, _SIDE * y, _SIDE * z)}
