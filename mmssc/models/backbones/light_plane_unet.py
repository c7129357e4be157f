"""The backbone of the light LiDAR completor: a 2D U-Net over the ground plane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmssc.errors import DataError
from mmssc.models.layers.ddr import DDRBottleneck3D
from mmssc.models.layers.norm import build_norm
from mmssc.models.layers.space_to_depth import depth_to_space, space_to_depth
from mmssc.ops import channels_last_on_cpu, prefer_onednn
from mmssc.registry import MODELS

__all__ = ['LightPlaneUNet']

_BN = dict(type='BN')


@MODELS.register_module()
class LightPlaneUNet(BaseModule):
    """Map the voxels of a scan to features of blocks of 2 x 2 x 2 voxels.

    The height is in the channels from the start: a cell of 2 x 2 columns has all of its voxels as
    channels, so no voxel is averaged away, and no convolution runs at full resolution. Residual
    bottlenecks work at each resolution, most of them at 1/4 and below, where they are cheap and see
    far. The way back adds up-sampled features.

    Convolutions in 2D learn each height for itself. So a few narrow DDR blocks in 3D, at 1/4 only,
    take blocks of 4 x 4 x 4 voxels as channels: what they learn about a surface holds at each
    height. Their result joins the U-Net at 1/4, and the output.

    Args:
        voxel_shape: Voxels of the input along x, y, z. Only z decides the size of the network.
        channels: Channels at 1/2, 1/4, ..., one number for each resolution.
        blocks: Bottlenecks at each resolution on the way down.
        planes: Share of the channels inside a bottleneck, as a divisor.
        volume_channels: Channels of the blocks in 3D, a multiple of 2.
        dilations: Dilation of each DDR block.
        block_channels: Features of a block from the U-Net, and as many from the blocks in 3D.
        norm_cfg: Normalisation.
        init_cfg: Initialisation config of mmengine.

    Raises:
        DataError: ``channels`` and ``blocks`` differ in length, x or y is not a multiple of the
            coarsest cell, or z not one of 4.
    """

    def __init__(
        self,
        voxel_shape: Sequence[int],
        channels: Sequence[int],
        blocks: Sequence[int] = (1, 2, 2, 2),
        planes: int = 2,
        volume_channels: int = 32,
        dilations: Sequence[int] = (1, 2, 3),
        block_channels: int = 8,
        norm_cfg: dict[str, Any] = _BN,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if len(channels) != len(blocks) or not channels:
            expected = f'{len(channels)} numbers, as channels has'
            raise DataError('config', 'LightPlaneUNet.blocks', expected, tuple(blocks))
        cell = 2 ** len(channels)
        x, y, z = voxel_shape
        if x % cell or y % cell or z % 4:
            expected = f'x and y multiples of {cell}, z of 4'
            raise DataError('config', 'model.voxel_grid.shape', expected, tuple(voxel_shape))

        def stack(width: int, count: int) -> nn.Sequential:
            layers = (PlaneBottleneck(width, width // planes, norm_cfg) for _ in range(count))
            return nn.Sequential(*layers)

        self.stem = _conv(4 * z, channels[0], 1, 1, norm_cfg)
        self.down = nn.ModuleList(
            _conv(before, after, 2, 2, norm_cfg) for before, after in zip(channels, channels[1:])
        )
        self.encoder = nn.ModuleList(stack(*pair) for pair in zip(channels, blocks))
        self.up = nn.ModuleList(
            nn.Conv2d(after, before, 1) for before, after in zip(channels, channels[1:])
        )
        self.decoder = nn.ModuleList(stack(width, 1) for width in channels[:-1])
        self.volume_stem = nn.Sequential(
            nn.Conv3d(64, volume_channels, 1, bias=False),
            build_norm(norm_cfg, volume_channels, 3),
            nn.ReLU(inplace=True),
        )
        self.volume = nn.Sequential(
            *(
                DDRBottleneck3D(volume_channels, volume_channels // 2, 2, dilation=rate,
                                norm_cfg=norm_cfg)
                for rate in dilations
            )
        )  # fmt: skip
        self.join = nn.Conv2d(volume_channels * z // 4, channels[1], 1)
        self.lift = nn.Linear(channels[0], z // 2 * block_channels)
        self.refine = nn.Linear(volume_channels, 8 * block_channels)
        prefer_onednn(self)

    def forward(self, occupancy: Tensor, finest: int = 1) -> dict[int, Tensor]:
        """Compute features.

        Args:
            occupancy: (B, X, Y, Z), 0 or 1.
            finest: Not used: the network has one output.

        Returns:
            ``{2: (B, 2 block_channels + 8, X / 2, Y / 2, Z / 2)}``: features from the U-Net,
            the eight voxels of the block, features from the blocks in 3D.
        """
        hits = space_to_depth(occupancy[..., None], 2)
        large = space_to_depth(occupancy[..., None], 4).permute(0, 4, 1, 2, 3)
        volume = self.volume(self.volume_stem(large)).permute(0, 2, 3, 4, 1)
        plane = self._run_unet(hits.flatten(3), volume.flatten(3)).permute(0, 2, 3, 1)
        parts = (
            self.lift(plane).unflatten(-1, (hits.shape[3], -1)),
            hits,
            depth_to_space(self.refine(volume), 2),
        )
        return {2: torch.cat(parts, -1).permute(0, 4, 1, 2, 3)}

    def _run_unet(self, cells: Tensor, heights: Tensor) -> Tensor:
        """Features (B, channels[0], X / 2, Y / 2) of the plane.

        Args:
            cells: (B, X / 2, Y / 2, 4 Z), the voxels of each cell.
            heights: (B, X / 4, Y / 4, volume_channels Z / 4), the features in 3D.
        """
        x = self.encoder[0](self.stem(channels_last_on_cpu(cells.permute(0, 3, 1, 2))))
        skips = [x]
        for number, (down, encoder) in enumerate(zip(self.down, list(self.encoder)[1:])):
            x = down(x)
            if number == 0:
                x = F.relu(x + self.join(heights.permute(0, 3, 1, 2)))
            x = encoder(x)
            skips.append(x)
        for up, decoder, skip in zip(self.up[::-1], self.decoder[::-1], skips[-2::-1]):
            raised = F.interpolate(up(x), scale_factor=2, mode='bilinear', align_corners=False)
            x = decoder(F.relu(skip + raised))
        return x


class PlaneBottleneck(nn.Module):
    """Residual 1x1, 3x3, 1x1 convolutions; at the start it is close to the identity.

    Args:
        channels: Input and output channels.
        planes: Channels inside.
        norm_cfg: Normalisation.
    """

    conv_norm_pairs = (('leave', 'leave_norm'),)

    def __init__(self, channels: int, planes: int, norm_cfg: dict[str, Any]) -> None:
        super().__init__()
        self.enter = _conv(channels, planes, 1, 1, norm_cfg)
        self.middle = _conv(planes, planes, 3, 1, norm_cfg)
        self.leave = nn.Conv2d(planes, channels, 1, bias=False)
        self.leave_norm = build_norm(norm_cfg, channels, 2)
        nn.init.constant_(self.leave_norm.get_parameter('weight'), 0.1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels, X, Y) to the same shape."""
        return F.relu(x + self.leave_norm(self.leave(self.middle(self.enter(x)))))


def _conv(
    in_channels: int, out_channels: int, kernel: int, stride: int, norm_cfg: dict[str, Any]
) -> nn.Sequential:
    padding = (kernel - stride + 1) // 2
    conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding, bias=False)
    return nn.Sequential(conv, build_norm(norm_cfg, out_channels, 2), nn.ReLU(inplace=True))
