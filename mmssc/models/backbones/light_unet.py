"""Network of the light completor; no convolution runs at full resolution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmssc.errors import DataError
from mmssc.models.layers.ddr import ConvBlock3D, DDRBottleneck3D
from mmssc.models.layers.norm import build_norm
from mmssc.models.layers.space_to_depth import depth_to_space, space_to_depth
from mmssc.registry import MODELS

__all__ = ['LightUNet', 'PointwiseConv3D', 'VoxelStem']

_BN = dict(type='BN')


class PointwiseConv3D(nn.Linear):
    """1x1x1 convolution as a matrix product, which is several times faster on a CPU.

    It copies nothing if the volume is channels-last.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in, X, Y, Z) to (B, out, X, Y, Z), channels last in memory."""
        return super().forward(x.permute(0, 2, 3, 4, 1)).permute(0, 4, 1, 2, 3)


@MODELS.register_module()
class VoxelStem(BaseModule):
    """Map per-voxel inputs to features at half resolution.

    The inputs of a voxel are its numbers and two embeddings of its segmentation id: one only for
    voxels on the visible surface, one for all voxels along the ray of a pixel. The eight voxels of
    a 2x2x2 block are concatenated as channels, so no convolution runs at full resolution and no
    voxel is averaged away. The height and the depth in the grid are inputs too, because rooms are
    not invariant to shifts.

    Args:
        out_channels: Output channels.
        direct_channels: Channels of a second linear layer on the same inputs, behind the others.
            They bypass the convolutions, so that the output layers see every single voxel; the
            ``hidden_channels`` of :class:`LightUNet`. 0: no such layer.
        num_numbers: Numbers per voxel.
        num_segments: Number of segmentation ids, without the 0 for "none"; 0: no segmentation.
        embed_dims: Channels of an embedding.
        norm_cfg: Normalisation.
    """

    def __init__(
        self,
        out_channels: int,
        num_numbers: int = 3,
        num_segments: int = 0,
        embed_dims: int = 6,
        direct_channels: int = 0,
        norm_cfg: dict[str, Any] = _BN,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.num_segments = num_segments
        width = num_numbers
        if num_segments:
            # Linear layers on one-hot rows: the gradient of an index look-up is slow on a CPU.
            self.surface_embedding = nn.Linear(num_segments + 1, embed_dims, bias=False)
            self.ray_embedding = nn.Linear(num_segments + 1, embed_dims, bias=False)
            for table in (self.surface_embedding, self.ray_embedding):
                nn.init.normal_(table.weight, std=0.5)
            width += 2 * embed_dims
        self.linear = nn.Linear(8 * width + 3, out_channels)
        self.norm = build_norm(norm_cfg, out_channels, 3)
        self.direct = nn.Linear(8 * width + 3, direct_channels) if direct_channels else None

    def forward(self, numbers: Tensor, segments: Tensor | None, surface: Tensor) -> Tensor:
        """Map the inputs of every voxel to (B, out_channels + direct_channels, X/2, Y/2, Z/2).

        Args:
            numbers: (B, X, Y, Z, num_numbers) float.
            segments: (B, X, Y, Z) integers 0..num_segments, 0 = outside the image; None without a
                segmentation.
            surface: (B, X, Y, Z) bool, voxels that a pixel hits.

        Raises:
            DataError: A side is odd, or ``segments`` is None and ``num_segments`` is not 0.
        """
        parts = [numbers]
        if self.num_segments:
            if segments is None:
                raise DataError('inputs', 'segments', 'the ids of a segmentation', 'none')
            rows = torch.eye(self.num_segments + 1, dtype=numbers.dtype, device=numbers.device)
            seen = segments * surface
            parts += [self.surface_embedding(rows[seen]), self.ray_embedding(rows[segments])]
        blocks = space_to_depth(torch.cat(parts, -1), 2)
        blocks = torch.cat([blocks, _positions(blocks)], -1)
        features = self.norm(self.linear(blocks).permute(0, 4, 1, 2, 3))
        features = F.relu(features, inplace=True)
        if self.direct is None:
            return features
        return torch.cat([features, self.direct(blocks).permute(0, 4, 1, 2, 3)], 1)


def _positions(blocks: Tensor) -> Tensor:
    """Positions (B, x, y, z, 3) in -1..1: on the second axis, its square, on the third axis."""
    batch, x, y, z = blocks.shape[:4]
    up, forward = (
        (torch.arange(side, dtype=blocks.dtype, device=blocks.device) + 0.5) / side
        for side in (y, z)
    )
    up, forward = up[:, None].expand(y, z), forward.expand(y, z)
    return (torch.stack([up, up.square(), forward], -1) * 2 - 1).expand(batch, x, -1, -1, -1)


@MODELS.register_module()
class LightUNet(BaseModule):
    """Map stem features to the logits of every voxel, with convolutions at 1/2, 1/4 and 1/8.

    One 3x3x3 convolution at the start and one at the end run at half resolution. DDR blocks run at
    a quarter (most of the layers) and at an eighth, where the mean over the room is added.
    Interpolation and sub-voxel shuffling restore half resolution. Two linear layers on the result
    and on the stem's features give the logits of the eight voxels of a block. The direct channels
    of the stem, if it has some, are added between the two.

    Args:
        channels: Channels at 1/2 (also of the stem), 1/4 and 1/8.
        expansions: Channels divided by planes, for the DDR blocks at 1/4 and 1/8.
        num_classes: Number of classes K.
        hidden_channels: Channels between the two linear layers.
        encoder_dilations: Dilation of each DDR block at 1/4 in the encoder.
        context_dilations: Dilation of each DDR block at 1/8.
        decoder_dilations: Dilation of each DDR block at 1/4 in the decoder.
        channels_last: Keep volumes channels-last in memory, which is faster on a CPU.
        norm_cfg: Normalisation.
    """

    def __init__(
        self,
        channels: tuple[int, int, int] = (32, 144, 192),
        expansions: tuple[int, int] = (3, 3),
        num_classes: int = 12,
        hidden_channels: int = 64,
        encoder_dilations: Sequence[int] = (1, 2, 3),
        context_dilations: Sequence[int] = (1, 2),
        decoder_dilations: Sequence[int] = (1, 2),
        channels_last: bool = True,
        norm_cfg: dict[str, Any] = _BN,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        half, quarter, eighth = channels

        def blocks(width: int, expansion: int, dilations: Sequence[int]) -> nn.Sequential:
            if width % expansion:
                expected = f'multiples of the expansion {expansion}'
                raise DataError('config', 'LightUNet.channels', expected, width)
            planes = width // expansion
            return nn.Sequential(
                *(
                    DDRBottleneck3D(width, planes, expansion, dilation=rate, norm_cfg=norm_cfg)
                    for rate in dilations
                )
            )

        self.channels_last, self.num_classes = channels_last, num_classes
        self.enter = ConvBlock3D(half, half, norm_cfg)
        self.down1 = _down(half, quarter, 2, norm_cfg)
        self.encoder = blocks(quarter, expansions[0], encoder_dilations)
        self.down2 = _down(quarter, eighth, 3, norm_cfg)
        self.context = blocks(eighth, expansions[1], context_dilations)
        self.room = nn.Linear(eighth, eighth)
        self.up2 = PointwiseConv3D(eighth, quarter)
        self.decoder = blocks(quarter, expansions[0], decoder_dilations)
        self.up1 = PointwiseConv3D(quarter, 8 * half, bias=False)
        self.up1_norm = build_norm(norm_cfg, half, 3)
        self.leave = ConvBlock3D(half, half, norm_cfg)
        self.hidden = nn.Linear(2 * half, hidden_channels)
        self.classifier = nn.Linear(hidden_channels, 8 * num_classes)
        for module in self.modules():
            if isinstance(module, DDRBottleneck3D):
                # Every block starts close to the identity.
                nn.init.constant_(module.bn5.get_parameter('weight'), 0.1)

    def forward(self, stem: Tensor) -> Tensor:
        """Map (B, C, x, y, z) to logits (B, K, 2x, 2y, 2z).

        Raises:
            DataError: A side is odd, so that side of the grid is not a multiple of 4; or the direct
                channels of the stem are not as many as the hidden channels.
        """
        if any(side % 2 for side in stem.shape[2:]):
            sides = tuple(2 * side for side in stem.shape[2:])
            raise DataError('voxel grid', 'shape', 'every side a multiple of 4', sides)
        half, hidden_channels = self.enter.conv.in_channels, self.hidden.out_features
        stem, direct = stem[:, :half], stem[:, half:]
        if direct.shape[1] not in (0, hidden_channels):
            expected = f'0 or {hidden_channels} (head.hidden_channels)'
            raise DataError('config', 'model.stem.direct_channels', expected, direct.shape[1])
        layout = torch.channels_last_3d if self.channels_last else torch.contiguous_format
        stem = stem.contiguous(memory_format=layout)
        entered = self.enter(stem)
        quarter = self.encoder(self.down1(entered))
        context = self.context(self.down2(quarter))
        context = context + self.room(context.mean((2, 3, 4)))[..., None, None, None]
        context = F.interpolate(self.up2(context), quarter.shape[2:], mode='trilinear')
        quarter = self.decoder(F.relu(quarter + context))
        raised = depth_to_space(self.up1(quarter).permute(0, 2, 3, 4, 1), 2)
        raised = F.relu(self.up1_norm(raised.permute(0, 4, 1, 2, 3)))
        left = self.leave(raised + entered)
        features = torch.cat([left, stem], 1).permute(0, 2, 3, 4, 1)
        hidden = self.hidden(features)
        if direct.shape[1]:
            hidden = hidden + direct.permute(0, 2, 3, 4, 1)
        logits = self.classifier(F.relu(hidden))
        return depth_to_space(logits, 2).permute(0, 4, 1, 2, 3)


def _down(in_channels: int, out_channels: int, kernel: int, norm_cfg: dict[str, Any]) -> nn.Module:
    """Convolution of stride 2, normalisation, ReLU; n becomes n / 2, rounded up for kernel 3."""
    conv = nn.Conv3d(in_channels, out_channels, kernel, 2, padding=kernel // 3, bias=False)
    return nn.Sequential(conv, build_norm(norm_cfg, out_channels, 3), nn.ReLU(inplace=True))
