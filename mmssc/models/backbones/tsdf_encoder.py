"""TSDF encoder of CleanerS and AMMNet."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from mmengine.model import BaseModule
from torch import Tensor, nn

from mmssc.models.layers.ddr import TwoStageUNet, conv_stack
from mmssc.models.layers.recompute import recompute_in_backward
from mmssc.registry import MODELS

__all__ = ['TSDFEncoder']

_PLAIN_BN = dict(type='BN')


@MODELS.register_module()
class TSDFEncoder(BaseModule):
    """Encode a TSDF volume at its resolution: 3x3x3 convolutions, then a DDR U-Net.

    Args:
        widths: Channels of the input and after each 3x3x3 convolution; the last is also that of
            the U-Net and of the result.
        dropout: Rate of the element-wise dropout after the first up-sampling.
        norm_cfg: Normalisation.
        with_cp: Compute the whole encoder again in the backward pass, convolutions included.
        repeat_blocks: Compute the DDR blocks again in the backward pass. False stores their inner
            tensors: more memory, less time, the same results.
    """

    def __init__(
        self,
        widths: Sequence[int],
        dropout: float = 0.3,
        norm_cfg: dict[str, Any] = _PLAIN_BN,
        with_cp: bool = False,
        repeat_blocks: bool = True,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.stem = conv_stack(widths, norm_cfg)
        self.unet = TwoStageUNet(widths[-1], dropout, norm_cfg, repeat_blocks)
        self.with_cp = with_cp

    def forward(self, tsdf: Tensor, classifier: nn.Module | None = None) -> Tensor:
        """Encode a volume.

        Args:
            tsdf: (B, 1, X, Y, Z), values in [-1, 1].
            classifier: See :meth:`TwoStageUNet.forward`.

        Returns:
            (B, widths[-1], X, Y, Z), or what ``classifier`` makes of it.

        Raises:
            DataError: A side is not a multiple of 4.
        """
        encode = partial(self._encode, classifier=classifier)
        return recompute_in_backward(self, tsdf, function=encode) if self.with_cp else encode(tsdf)

    def _encode(self, tsdf: Tensor, classifier: nn.Module | None) -> Tensor:
        return self.unet(self.stem(tsdf), classifier)
