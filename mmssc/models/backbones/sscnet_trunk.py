"""The backbone of SSCNet: 3D convolutions at half and quarter resolution."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmssc.errors import DataError
from mmssc.models.layers.memory_layout import fast_layout
from mmssc.ops import prefer_onednn
from mmssc.ops.cube_conv import CubeConv3d
from mmssc.registry import MODELS

__all__ = ['SSCNetTrunk']

_OUT_CHANNELS = 128


@MODELS.register_module()
class SSCNetTrunk(nn.Module):
    """Features at a quarter of the resolution, without normalisation (SSCNet for LiDAR scans).

    Args:
        voxel_shape: Voxels of the input along x, y, z, multiples of 4. :class:`LidarCompletor`
            gives its own.

    Raises:
        DataError: A side is not a multiple of 4.
    """

    def __init__(self, voxel_shape: Sequence[int]) -> None:
        super().__init__()
        if any(side % 4 for side in voxel_shape):
            expected = 'multiples of 4 for SSCNetTrunk'
            raise DataError('config', 'model.voxel_grid.shape', expected, tuple(voxel_shape))
        self.out_channels = _OUT_CHANNELS
        self.stem = nn.Sequential(nn.Conv3d(1, 16, 7, stride=2, padding=3), nn.ReLU())
        self.block_1_2 = _ShortcutBlock(16, 32)
        self.conv_1_4 = nn.Sequential(nn.Conv3d(32, 64, 3, padding=1), nn.ReLU())
        self.block_1_4 = _ProjectionBlock(64)
        self.residuals = nn.ModuleList(_ResidualBlock(64, dilation) for dilation in (1, 2, 2))
        self.fuse = nn.Sequential(
            nn.Conv3d(3 * 64, _OUT_CHANNELS, 1),
            nn.ReLU(),
            nn.Conv3d(_OUT_CHANNELS, _OUT_CHANNELS, 1),
            nn.ReLU(),
        )
        prefer_onednn(self)

    def forward(self, occupancy: Tensor, finest: int = 1) -> dict[int, Tensor]:
        """Compute features.

        Args:
            occupancy: (B, X, Y, Z), 0 or 1.
            finest: Not used: there is only one scale.

        Returns:
            ``{4: (B, 128, X / 4, Y / 4, Z / 4)}``.
        """
        # On a CPU, PyTorch gives a small volume of one channel back in the other order.
        x = self.block_1_2(fast_layout(self.stem(fast_layout(occupancy[:, None]))))
        x = self.block_1_4(self.conv_1_4(F.max_pool3d(x, 2)))
        features = []
        for residual in self.residuals:
            x = residual(x)
            features.append(x)
        return {4: self.fuse(torch.cat(features[::-1], dim=1))}


class _ShortcutBlock(nn.Module):
    """Two convolutions, plus a 1x1x1 convolution of the input."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.shortcut = nn.Conv3d(in_channels, out_channels, 1)
        self.conv1 = nn.Conv3d(in_channels, out_channels, 3, padding=1)
        self.conv2 = nn.Conv3d(out_channels, out_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.shortcut(x) + self.conv2(F.relu(self.conv1(x))))


class _ProjectionBlock(nn.Module):
    """A 3x3x3 plus a 1x1x1 convolution, both of the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.shortcut = nn.Conv3d(channels, channels, 1)
        self.conv = CubeConv3d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.shortcut(x) + self.conv(x))


class _ResidualBlock(nn.Module):
    """A convolution, plus a convolution of its rectified output."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        conv = partial(CubeConv3d, channels, channels, 3, padding=dilation, dilation=dilation)
        self.conv1 = conv()
        self.conv2 = conv()

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        return F.relu(x + self.conv2(F.relu(x)))
