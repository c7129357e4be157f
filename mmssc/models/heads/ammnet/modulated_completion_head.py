"""Volume head of AMMNet: TSDF features modulate the image features in the U-Net."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from mmssc.models.heads.volume_completion_head import VolumeUNetHead
from mmssc.models.layers.ddr import DDRStage, UpsampleBlock3D
from mmssc.models.layers.recompute import recompute_in_backward
from mmssc.registry import MODELS

from .feature_modulation import FeatureModulation

__all__ = ['ModulatedCompletionHead']

_PLAIN_BN = dict(type='BN')


@MODELS.register_module()
class ModulatedCompletionHead(VolumeUNetHead):
    """DDR U-Net with three modulations: of its input, and of its decoder at half and full size.

    The TSDF features pass through their own small hourglass. Its outputs at half and full
    resolution guide the second and the third modulation (arXiv 2403.07560, sec. 3.2).

    Args:
        channels: Channels of both inputs and of the U-Net, a multiple of 4.
        num_classes: Number of classes, including empty.
        norm_cfg: Normalisation.
        repeat_blocks: See :class:`TSDFEncoder`.
        options: Further arguments of :class:`VolumeUNetHead`.
    """

    def __init__(
        self,
        channels: int,
        num_classes: int,
        norm_cfg: dict[str, Any] = _PLAIN_BN,
        repeat_blocks: bool = True,
        **options: Any,
    ) -> None:
        shared: dict[str, Any] = dict(norm_cfg=norm_cfg, repeat_blocks=repeat_blocks)
        super().__init__(channels, num_classes, **shared, **options)
        self.modulations = nn.ModuleList(FeatureModulation(channels) for _ in range(3))
        self.down_scale = nn.Sequential(
            DDRStage(channels, channels, dilations=(), **shared),
            DDRStage(channels, 2 * channels, dilations=(), **shared),
            UpsampleBlock3D(2 * channels, channels, norm_cfg=norm_cfg),
        )
        self.up_scale = UpsampleBlock3D(channels, channels, norm_cfg=norm_cfg)

    def complete(self, volume: Tensor, tsdf_feat: Tensor) -> Tensor:
        """Compute logits; see :meth:`VolumeCompletionHead.complete`."""
        self.unet.check_sides(volume)
        at_start, at_half, at_end = self.modulations
        s1, s2 = self.unet.trunk(at_start(volume, tsdf_feat))
        half_guide = self.down_scale(tsdf_feat)
        half = at_half(self.unet.up1(s2) + s1, half_guide)
        if not torch.is_grad_enabled():  # frees the outputs of the convolutions earlier
            return self.classifier(at_end(self.unet.up2(half), self.up_scale(half_guide)))
        up, guide = self.unet.up2.convolve(half), self.up_scale.convolve(half_guide)
        return recompute_in_backward(self, up, guide, function=self._modulate_and_classify)

    def _modulate_and_classify(self, up: Tensor, guide: Tensor) -> Tensor:
        at_end = self.modulations[2]
        return self.classifier(at_end(self.unet.up2.activate(up), self.up_scale.activate(guide)))
