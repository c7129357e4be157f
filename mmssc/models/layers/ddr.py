"""Dimensional decomposition residual (DDR) blocks and the two-stage trunk built from them.

Li et al., "RGBD Based Dimensional Decomposition Residual Network for 3D Semantic Scene
Completion", CVPR 2019, in the form that 3D-Sketch, CleanerS and AMMNet share.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmssc.errors import DataError
from mmssc.ops.average_pool import AveragePool3d
from mmssc.ops.cube_conv import CubeConv3d, saves_products
from mmssc.ops.lean_relu import lean_relu
from mmssc.ops.line_conv import LineConv3d
from mmssc.ops.transposed_conv import TransposedConv3d

from .axis_arguments import along_axis
from .memory_layout import fast_layout
from .norm import build_norm
from .recompute import recompute_in_backward

__all__ = [
    'ConvBlock3D', 'ConvStack', 'DDRBottleneck3D', 'DDRStage', 'TwoStageTrunk', 'TwoStageUNet',
    'UpsampleBlock3D', 'VolumeClassifier', 'conv_stack',
]  # fmt: skip

_BN = dict(type='BN')


class ConvBlock3D(nn.Module):
    """Convolution without bias, normalisation, ReLU.

    Args:
        in_channels: Input channels.
        out_channels: Output channels.
        norm_cfg: Normalisation, see :func:`build_norm`.
        kernel_size: Side of the kernel, an odd number.
        stride: Stride of every axis; a side of n becomes ceil(n / stride).
        activate: Whether the ReLU follows.
        channels_last: Whether small volumes, too, get the memory order of :func:`fast_layout` where
            gradients are computed; otherwise they are contiguous there. VoxDet needs that: in
            another order, rounding changes the sign of some inputs of its ReLUs, and gradients of
            a small volume jump. Large volumes always get the order, which halves their products.
    """

    conv_norm_pairs = (('conv', 'norm'),)

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        norm_cfg: dict[str, Any] = _BN,
        kernel_size: int = 3,
        stride: int = 1,
        activate: bool = True,
        channels_last: bool = True,
    ) -> None:
        super().__init__()
        conv_type = CubeConv3d if kernel_size == 3 else nn.Conv3d
        self.conv = conv_type(
            in_channels, out_channels, kernel_size, stride, kernel_size // 2, bias=False
        )
        self.norm = build_norm(norm_cfg, out_channels, 3)
        self.has_relu, self.channels_last = activate, channels_last

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, X, Y, Z) to (B, out_channels, X', Y', Z')."""
        return self.activate(self.convolve(x))

    def convolve(self, x: Tensor) -> Tensor:
        """The convolution alone."""
        is_last = (
            self.channels_last
            or not torch.is_grad_enabled()
            or saves_products(x, self.conv.out_channels)
        )
        return self.conv(fast_layout(x) if is_last else x.contiguous())

    def activate(self, x: Tensor) -> Tensor:
        """Normalisation, and ReLU if the block has it, of the result of :meth:`convolve`."""
        x = self.norm(x)
        return F.relu(x, inplace=True) if self.has_relu else x


class ConvStack(nn.Sequential):
    """:class:`ConvBlock3D` after each other.

    Of each block but the last only the output of the convolution is stored for the backward pass,
    which repeats normalisation and ReLU.

    Args:
        blocks: Each takes the channels that the one before it gives.
        summed: The result goes into a sum only, so the last ReLU need not store it.
    """

    def __init__(self, *blocks: ConvBlock3D, summed: bool = False) -> None:
        super().__init__(*blocks)
        self.summed = summed

    def forward(self, input: Tensor) -> Tensor:
        """Map (B, channels before, X, Y, Z) to (B, channels after, X, Y, Z)."""
        if not torch.is_grad_enabled():
            return super().forward(input)  # frees each volume before the next convolution
        blocks: list[Any] = list(self)
        x = blocks[0].convolve(input)
        for block, following in zip(blocks, blocks[1:]):
            x = recompute_in_backward(block, x, function=partial(_activate_for, following, block))
        return lean_relu(blocks[-1].norm(x)) if self.summed else blocks[-1].activate(x)


def _activate_for(following: ConvBlock3D, block: ConvBlock3D, x: Tensor) -> Tensor:
    return following.convolve(block.activate(x))


def conv_stack(
    widths: Sequence[int], norm_cfg: dict[str, Any] = _BN, summed: bool = False
) -> ConvStack:
    """:class:`ConvBlock3D` from each of ``widths`` to the next; see :class:`ConvStack`."""
    blocks = (ConvBlock3D(a, b, norm_cfg) for a, b in zip(widths, widths[1:]))
    return ConvStack(*blocks, summed=summed)


class UpsampleBlock3D(nn.Module):
    """Transposed convolution with bias that doubles every side, normalisation, ReLU, dropout.

    Args:
        in_channels: Input channels.
        out_channels: Output channels.
        dropout: Rate of the element-wise dropout at the end.
        norm_cfg: Normalisation, see :func:`build_norm`.
    """

    conv_norm_pairs = (('conv', 'norm'),)

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        dropout: float = 0.0,
        norm_cfg: dict[str, Any] = _BN,
    ) -> None:
        super().__init__()
        self.conv = TransposedConv3d(
            in_channels, out_channels, 3, stride=2, padding=1, output_padding=1
        )
        self.norm = build_norm(norm_cfg, out_channels, 3)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, X, Y, Z) to (B, out_channels, 2X, 2Y, 2Z)."""
        return self.activate(self.convolve(x))

    def convolve(self, x: Tensor) -> Tensor:
        """The convolution alone."""
        return self.conv(fast_layout(x))

    def activate(self, x: Tensor) -> Tensor:
        """Normalisation, ReLU and dropout of the result of :meth:`convolve`."""
        return self.dropout(lean_relu(self.norm(x)))

    def classify(self, x: Tensor, classifier: nn.Module) -> Tensor:
        """``classifier(self(x))``; the backward pass repeats all but the convolution.

        Args:
            x: (B, in_channels, X, Y, Z).
            classifier: Takes (B, out_channels, 2X, 2Y, 2Z); without batch normalisation.
        """
        if not torch.is_grad_enabled():
            return classifier(self(x))  # frees the output of the convolution earlier
        function = partial(_classify, self, classifier)
        return recompute_in_backward(self, self.convolve(x), function=function)


def _classify(block: UpsampleBlock3D, classifier: nn.Module, x: Tensor) -> Tensor:
    return classifier(block.activate(x))


class VolumeClassifier(nn.Module):
    """Channel dropout and a 1x1x1 convolution with bias.

    Args:
        channels: Input channels.
        num_classes: Number of classes K.
        dropout: Rate of the channel dropout.
    """

    def __init__(self, channels: int, num_classes: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.dropout = nn.Dropout3d(dropout)
        self.conv = nn.Conv3d(channels, num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels, X, Y, Z) to logits (B, K, X, Y, Z)."""
        return self.conv(self.dropout(x))


class DDRBottleneck3D(nn.Module):
    """Residual block with a 3x3x3 convolution decomposed into 1x1x3, 1x3x1 and 3x1x1.

    The sums between the three convolutions use the tensors before ReLU. The shortcuts of these
    sums (``downsample2`` to ``downsample4``) exist only if the stride is above 1; the reference
    always builds them, but does not use them at stride 1.

    Args:
        in_channels: Input channels.
        planes: Channels inside the block.
        expansion: Output channels divided by ``planes``.
        stride: Stride of every axis; a side of n becomes ceil(n / stride).
        dilation: Dilation of the three convolutions.
        downsample: Use average pooling, 1x1x1 convolution and normalisation as the shortcut of the
            whole block; required if the block changes the shape.
        norm_cfg: Normalisation, see :func:`build_norm`.

    Raises:
        DataError: The block changes the shape, but ``downsample`` is False.
    """

    conv_norm_pairs = tuple((f'conv{number}', f'bn{number}') for number in range(1, 6))

    def __init__(
        self,
        in_channels: int,
        planes: int,
        expansion: int = 4,
        stride: int = 1,
        dilation: int = 1,
        downsample: bool = False,
        norm_cfg: dict[str, Any] = _BN,
    ) -> None:
        super().__init__()
        out_channels = planes * expansion
        if not downsample and (stride != 1 or in_channels != out_channels):
            change = f'{in_channels} to {out_channels} channels with stride {stride}'
            expected = f'true for {change}'
            raise DataError('config', 'DDRBottleneck3D.downsample', expected, downsample)
        self.conv1 = nn.Conv3d(in_channels, planes, 1, bias=False)
        self.conv2 = _axis_conv(planes, 2, stride, dilation)
        self.conv3 = _axis_conv(planes, 1, stride, dilation)
        self.conv4 = _axis_conv(planes, 0, stride, dilation)
        self.conv5 = nn.Conv3d(planes, out_channels, 1, bias=False)
        self.bn1, self.bn2, self.bn3, self.bn4 = (build_norm(norm_cfg, planes, 3) for _ in range(4))
        self.bn5 = build_norm(norm_cfg, out_channels, 3)
        same: nn.Module = nn.Identity()
        self.downsample = self.downsample2 = self.downsample3 = self.downsample4 = same
        if downsample:
            strides = (stride, stride, stride)
            self.downsample = _shortcut(in_channels, out_channels, strides, norm_cfg)
        if stride != 1:
            self.downsample2 = _shortcut(planes, planes, along_axis(1, stride, 1), norm_cfg)
            self.downsample3 = _shortcut(planes, planes, along_axis(0, stride, 1), norm_cfg)
            self.downsample4 = _shortcut(planes, planes, along_axis(0, stride, 1), norm_cfg)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, X, Y, Z) to (B, planes * expansion, X / stride, ...)."""
        a = F.relu(self.bn1(self.conv1(x)), inplace=True)
        b = self.bn2(self.conv2(a))
        c = self.bn3(self.conv3(F.relu(b)))
        b = self.downsample2(b)
        c = c + b
        d = self.bn4(self.conv4(F.relu(c)))
        d = d + self.downsample3(b) + self.downsample4(c)
        e = self.bn5(self.conv5(F.relu(d, inplace=True)))
        return F.relu(e + self.downsample(x), inplace=True)


def _axis_conv(planes: int, axis: int, stride: int, dilation: int) -> LineConv3d:
    """Convolution of length 3 along one axis of the volume: 0, 1 or 2."""
    return LineConv3d(
        planes,
        planes,
        along_axis(axis, 3, 1),
        stride=along_axis(axis, stride, 1),
        padding=along_axis(axis, dilation, 0),
        dilation=along_axis(axis, dilation, 1),
        bias=False,
    )


def _shortcut(
    in_channels: int, out_channels: int, stride: tuple[int, int, int], norm_cfg: dict[str, Any]
) -> nn.Sequential:
    # ceil_mode gives the side lengths of the convolutions if the stride does not divide a side.
    return nn.Sequential(
        AveragePool3d(stride, stride, ceil_mode=True),
        nn.Conv3d(in_channels, out_channels, 1, bias=False),
        build_norm(norm_cfg, out_channels, 3),
    )


class DDRStage(nn.Sequential):
    """One DDR block of stride 2, then one per dilation at the lower resolution.

    The first block has ``in_channels / 4`` planes, the others ``out_channels / 4``.

    Args:
        in_channels: Input channels, a multiple of 4.
        out_channels: Output channels, a multiple of ``in_channels / 4`` and of 4.
        dilations: Dilation of each block after the first.
        norm_cfg: Normalisation, see :func:`build_norm`.
        repeat_blocks: Compute each block again in the backward pass. False stores the inner tensors
            of all blocks: more memory, less time, the same results.

    Raises:
        ValueError: The channels are not such multiples.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        dilations: Sequence[int] = (1, 2, 3),
        norm_cfg: dict[str, Any] = _BN,
        repeat_blocks: bool = True,
    ) -> None:
        planes = in_channels // 4
        if planes == 0 or in_channels % 4 or out_channels % 4 or out_channels % planes:
            expected = 'multiples of 4, the second also of a quarter of the first'
            found = f'{in_channels} to {out_channels} channels'
            raise DataError('config', 'DDRStage.in_channels, out_channels', expected, found)
        expansion = out_channels // planes
        super().__init__(
            DDRBottleneck3D(
                in_channels, planes, expansion, stride=2, downsample=True, norm_cfg=norm_cfg
            ),
            *(
                DDRBottleneck3D(
                    out_channels, out_channels // 4, dilation=dilation, norm_cfg=norm_cfg
                )
                for dilation in dilations
            ),
        )
        self.repeat_blocks = repeat_blocks

    def forward(self, input: Tensor) -> Tensor:
        """Map (B, in_channels, X, Y, Z) to (B, out_channels, X/2, Y/2, Z/2)."""
        x = fast_layout(input)
        for block in self:
            x = recompute_in_backward(block, x) if self.repeat_blocks else block(x)
        return x


class TwoStageTrunk(nn.Module):
    """Two :class:`DDRStage`: C channels at half, 2C at a quarter of the resolution.

    Args:
        channels: C, a multiple of 4.
        norm_cfg: Normalisation, see :func:`build_norm`.
        repeat_blocks: See :class:`DDRStage`.
    """

    def __init__(
        self, channels: int, norm_cfg: dict[str, Any] = _BN, repeat_blocks: bool = True
    ) -> None:
        super().__init__()
        stage = partial(DDRStage, norm_cfg=norm_cfg, repeat_blocks=repeat_blocks)
        self.layer1 = stage(channels, channels)
        self.layer2 = stage(channels, 2 * channels)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map (B, C, X, Y, Z) to (B, C, X/2, Y/2, Z/2) and (B, 2C, X/4, Y/4, Z/4)."""
        s1 = self.layer1(x)
        return s1, self.layer2(s1)


class TwoStageUNet(nn.Module):
    """:class:`TwoStageTrunk`, then two up-sampling blocks with a skip connection between them.

    There is no skip connection at full resolution.

    Args:
        channels: C, a multiple of 4.
        dropout: Rate of the element-wise dropout after the first up-sampling.
        norm_cfg: Normalisation, see :func:`build_norm`.
        repeat_blocks: See :class:`DDRStage`.
    """

    def __init__(
        self,
        channels: int,
        dropout: float = 0.0,
        norm_cfg: dict[str, Any] = _BN,
        repeat_blocks: bool = True,
    ) -> None:
        super().__init__()
        self.trunk = TwoStageTrunk(channels, norm_cfg, repeat_blocks)
        self.up1 = UpsampleBlock3D(2 * channels, channels, dropout, norm_cfg)
        self.up2 = UpsampleBlock3D(channels, channels, norm_cfg=norm_cfg)

    def forward(self, x: Tensor, classifier: nn.Module | None = None) -> Tensor:
        """Map (B, C, X, Y, Z) to the same shape, or to what ``classifier`` makes of it.

        Args:
            x: (B, C, X, Y, Z).
            classifier: See :meth:`UpsampleBlock3D.classify`.

        Raises:
            DataError: A side is not a multiple of 4.
        """
        self.check_sides(x)
        s1, s2 = self.trunk(x)
        half = self.up1(s2) + s1
        return self.up2(half) if classifier is None else self.up2.classify(half, classifier)

    @staticmethod
    def check_sides(x: Tensor) -> None:
        """Check that the U-Net keeps the shape of (B, C, X, Y, Z).

        Raises:
            DataError: A side is not a multiple of 4.
        """
        if any(side % 4 for side in x.shape[2:]):
            sides = tuple(x.shape[2:])
            raise DataError('voxel grid', 'shape', 'every side a multiple of 4', sides)
