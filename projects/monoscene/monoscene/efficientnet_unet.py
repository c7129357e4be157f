"""The 2D U-Net of MonoScene on an EfficientNet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmssc.errors import DataError
from mmssc.models.layers import recompute_in_backward
from mmssc.ops import dense_gradient
from mmssc.registry import MODELS

if TYPE_CHECKING:
    from geffnet.gen_efficientnet import GenEfficientNet

__all__ = ['EfficientNetTrunk', 'EfficientNetUNet']

# Stages of an EfficientNet whose outputs have the strides 2, 4, 8 and 16.
_SKIP_STAGES = (0, 1, 2, 4)
_STRIDES = (16, 8, 4, 2, 1)


class EfficientNetTrunk(BaseModule):
    """An EfficientNet of geffnet up to ``conv_head``, with the names of its weights.

    In training each block up to stride 16 stores its input only and runs again in the backward
    pass: a few percent of the time of a step, gigabytes of memory. Blocks at stride 32 have few
    pixels and store their tensors.

    What follows ``conv_head`` (normalisation, pooling, classifier) is not built; files with it,
    such as geffnet's own, load through ``init_cfg`` all the same.

    Args:
        name: Name in geffnet, e.g. ``'tf_efficientnet_b7_ns'``.
        init_cfg: E.g. ``dict(type='Pretrained', checkpoint=...)``.

    Raises:
        DataError: geffnet is not installed, or does not know the name.
    """

    def __init__(self, name: str, init_cfg: dict[str, Any] | None = None) -> None:
        super().__init__(init_cfg)
        whole = _create(name)
        self.conv_stem, self.bn1, self.act1 = whole.conv_stem, whole.bn1, whole.act1
        self.blocks, self.conv_head = whole.blocks, whole.conv_head
        # (3, stride 2, 4, 8, 16, 32)
        stages = [self.blocks[number] for number in _SKIP_STAGES]
        self.widths = (3, *map(_last_width, stages), self.conv_head.out_channels)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map (B, 3, H, W) to the images and the features at strides 2, 4, 8, 16 and 32.

        The last are the raw output of ``conv_head``.
        """
        features = [images]
        x = self.act1(self.bn1(self.conv_stem(images)))
        for number, stage in enumerate(self.blocks):
            stores = number > _SKIP_STAGES[-1]
            for block in stage:
                x = block(x) if stores else recompute_in_backward(block, x)
            if number in _SKIP_STAGES:
                features.append(x)
        return [*features, self.conv_head(x)]


def _create(name: str) -> GenEfficientNet:
    try:
        import geffnet
    except ImportError as error:
        hint = 'Run: pip install --no-deps -r projects/monoscene/requirements.txt'
        raise DataError('MonoScene', 'package geffnet', 'installed', 'missing', hint) from error
    try:
        return geffnet.create_model(name, pretrained=False)
    except (KeyError, RuntimeError) as error:
        raise DataError('config', 'EfficientNet', 'a name of geffnet', name) from error


def _last_width(stage: nn.Module) -> int:
    convolutions = [module for module in stage.modules() if isinstance(module, nn.Conv2d)]
    return convolutions[-1].out_channels


class _UpBlock(nn.Module):
    """Bilinear up-sampling to the skip's size, concatenation, two convolutions.

    All but the outputs of the convolutions is computed again in the backward pass.
    """

    conv_norm_pairs = (('conv1', 'bn1'), ('conv2', 'bn2'))

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        x = recompute_in_backward(self, x, skip, function=self._join)
        x = recompute_in_backward(self, x, function=self._activate_and_convolve)
        return F.leaky_relu(self.bn2(x), inplace=True)

    def _join(self, x: Tensor, skip: Tensor) -> Tensor:
        x = F.interpolate(x, size=skip.shape[-2:], mode='bilinear', align_corners=True)
        return self.conv1(torch.cat([dense_gradient(x), skip], dim=1))

    def _activate_and_convolve(self, x: Tensor) -> Tensor:
        return self.conv2(F.leaky_relu(self.bn1(x), inplace=True))


@MODELS.register_module()
class EfficientNetUNet(BaseModule):
    """Features of an image at strides 1, 2, 4 and 8.

    A block of the decoder has half the width of the one before; the 1x1 convolution at its start
    pads by one pixel, so that the map grows by two and has the bias at its border, as published.

    Args:
        out_channels: Channels F of every map.
        name: EfficientNet, see :class:`EfficientNetTrunk`.
        strides: Strides of the maps, of 1, 2, 4, 8 and 16, ascending.
        decoder_channels: Channels at the start of the decoder; None for those of the EfficientNet's
            last convolution, as published.
        checkpoint: File or URL of the EfficientNet's pretrained weights; None for random numbers.
        with_cp: Recompute each block of the decoder in the backward pass, with its convolutions.
    """

    def __init__(
        self,
        out_channels: int,
        name: str = 'tf_efficientnet_b7_ns',
        strides: Sequence[int] = (1, 2, 4, 8),
        decoder_channels: int | None = None,
        checkpoint: str | None = None,
        with_cp: bool = False,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.with_cp = with_cp
        pretrained = checkpoint and dict(type='Pretrained', checkpoint=checkpoint)
        self.encoder = EfficientNetTrunk(name, pretrained or None)
        *skips, deepest = self.encoder.widths
        width = decoder_channels or deepest
        self.conv_in = nn.Conv2d(deepest, width, 1, padding=1)
        self.blocks = nn.ModuleList()
        widths = {}
        for stride, skip in zip(_STRIDES, reversed(skips)):
            self.blocks.append(_UpBlock(width + skip, width // 2))
            width //= 2
            widths[stride] = width
        self.resizes = nn.ModuleDict(
            {str(stride): nn.Conv2d(widths[stride], out_channels, 1) for stride in strides}
        )
        # Blocks finer than the finest map would get no gradient.
        del self.blocks[_STRIDES.index(min(strides)) + 1 :]

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map (B, 3, H, W) to one (B, F, ceil(H / s), ceil(W / s)) per stride s."""
        *skips, deepest = self.encoder(images)
        x = self.conv_in(deepest)
        maps = {}
        for stride, block, skip in zip(_STRIDES, self.blocks, reversed(skips)):
            x = recompute_in_backward(block, x, skip) if self.with_cp else block(x, skip)
            if str(stride) in self.resizes:
                maps[str(stride)] = self.resizes[str(stride)](x)
        return [maps[stride] for stride in self.resizes]
