"""Volume head of CleanerS: image and TSDF features are added and pass a DDR U-Net."""

from __future__ import annotations

from typing import Any

from mmengine.model import BaseModule
from torch import Tensor

from mmssc.models.layers.ddr import TwoStageUNet, VolumeClassifier
from mmssc.registry import MODELS

__all__ = ['VolumeCompletionHead']

_PLAIN_BN = dict(type='BN')


@MODELS.register_module()
class VolumeCompletionHead(BaseModule):
    """Logits from lifted image features and TSDF features, both at the output resolution.

    A head of another method subclasses it, keeps ``unet`` and ``classifier``, and overrides
    :meth:`forward`.

    Args:
        channels: Channels of both inputs and of the U-Net, a multiple of 4.
        num_classes: Number of classes, empty included.
        dropout: Channel dropout before the classifier.
        norm_cfg: Normalisation.
    """

    def __init__(
        self,
        channels: int,
        num_classes: int,
        dropout: float = 0.1,
        norm_cfg: dict[str, Any] = _PLAIN_BN,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.num_classes = num_classes
        self.unet = TwoStageUNet(channels, norm_cfg=norm_cfg)
        self.classifier = VolumeClassifier(channels, num_classes, dropout)

    def forward(self, volume: Tensor, tsdf_feat: Tensor) -> Tensor:
        """Complete.

        Args:
            volume: (B, channels, X, Y, Z) lifted image features.
            tsdf_feat: (B, channels, X, Y, Z) features of the TSDF.

        Returns:
            (B, num_classes, X, Y, Z) logits.

        Raises:
            ValueError: A side is no multiple of 4.
        """
        return self.classifier(self.unet(volume + tsdf_feat))
