"""Volume heads with a DDR U-Net: their base, and the head of CleanerS."""

from __future__ import annotations

from typing import Any

from mmengine.model import BaseModule
from torch import Tensor

from mmssc.models.layers.ddr import TwoStageUNet, VolumeClassifier
from mmssc.models.layers.recompute import recompute_in_backward
from mmssc.registry import MODELS

__all__ = ['VolumeCompletionHead', 'VolumeUNetHead']

_PLAIN_BN = dict(type='BN')


class VolumeUNetHead(BaseModule):
    """Base of the heads that end in a DDR U-Net and a classifier.

    A subclass defines :meth:`complete`: it fuses its inputs and calls ``unet`` and ``classifier``.

    Args:
        channels: Channels of the U-Net, a multiple of 4.
        num_classes: Number of classes, including empty.
        dropout: Channel dropout before the classifier.
        norm_cfg: Normalisation.
        with_cp: Compute the whole head again in the backward pass, convolutions included.
        repeat_blocks: See :class:`TSDFEncoder`.
    """

    def __init__(
        self,
        channels: int,
        num_classes: int,
        dropout: float = 0.1,
        norm_cfg: dict[str, Any] = _PLAIN_BN,
        with_cp: bool = False,
        repeat_blocks: bool = True,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.num_classes = num_classes
        self.unet = TwoStageUNet(channels, norm_cfg=norm_cfg, repeat_blocks=repeat_blocks)
        self.classifier = VolumeClassifier(channels, num_classes, dropout)
        self.with_cp = with_cp

    def forward(self, *volumes: Tensor) -> Tensor:
        """Compute logits; see :meth:`complete`."""
        if self.with_cp:
            return recompute_in_backward(self, *volumes, function=self.complete)
        return self.complete(*volumes)

    def complete(self, *args: Any, **kwargs: Any) -> Tensor:
        """Map volumes (B, C, X, Y, Z), features first, to logits (B, num_classes, X, Y, Z)."""
        raise NotImplementedError


@MODELS.register_module()
class VolumeCompletionHead(VolumeUNetHead):
    """Logits from the sum of lifted image features and TSDF features (CleanerS).

    Arguments: :class:`VolumeUNetHead`; both inputs have ``channels`` and the output resolution.
    """

    def complete(self, volume: Tensor, tsdf_feat: Tensor) -> Tensor:
        """Compute logits.

        Args:
            volume: (B, channels, X, Y, Z) lifted image features.
            tsdf_feat: (B, channels, X, Y, Z) features of the TSDF.

        Returns:
            (B, num_classes, X, Y, Z) logits.

        Raises:
            DataError: A side is not a multiple of 4.
        """
        return self.unet(volume + tsdf_feat, self.classifier)
