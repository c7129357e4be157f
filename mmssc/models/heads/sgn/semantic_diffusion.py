"""Semantic diffusion on a dense volume (SGN, sec. 3.4): MPAC blocks and ASPP."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmssc.models.layers import along_axis, recompute_in_backward
from mmssc.ops import pointwise_conv
from mmssc.ops.dilated_conv import FlatVolumeConv3d

from .gated_paths import gated_sum

__all__ = ['ASPP3d', 'MPAC', 'SemanticDiffusion']


class MPAC(nn.Module):
    """Multi-path anisotropic convolution, a residual block.

    Along z, then y, then x: one-dimensional convolutions of different kernel sizes, each followed
    by ReLU, are summed with gates. The gates per voxel are a softmax over these convolutions,
    computed from the input of the block.

    Args:
        channels: Number of channels c.
        kernel_sizes: Kernel sizes of the parallel convolutions.
    """

    def __init__(self, channels: int, kernel_sizes: tuple[int, ...] = (3, 5, 7)) -> None:
        super().__init__()
        self.num_paths = len(kernel_sizes)
        # Gates of path i along axis g (0 x, 1 y, 2 z) are channel g * num_paths + i.
        self.gate = nn.Conv3d(channels, 3 * self.num_paths, 1, bias=False)
        self.conv_z = self._paths(channels, kernel_sizes, 2)
        self.conv_y = self._paths(channels, kernel_sizes, 1)
        self.conv_x = self._paths(channels, kernel_sizes, 0)

    @staticmethod
    def _paths(channels: int, kernel_sizes: tuple[int, ...], axis: int) -> nn.ModuleList:
        paths = nn.ModuleList()
        for size in kernel_sizes:
            kernel, padding = along_axis(axis, size, 1), along_axis(axis, size // 2, 0)
            paths.append(nn.Conv3d(channels, channels, kernel, padding=padding))
        return paths

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, c, X, Y, Z) to the same shape."""
        gates = pointwise_conv(x, self.gate).unflatten(1, (3, self.num_paths)).softmax(dim=2)
        along_z = gated_sum(x, gates[:, 2], self.conv_z, 2)
        along_y = gated_sum(along_z, gates[:, 1], self.conv_y, 1)
        along_x = gated_sum(along_y, gates[:, 0], self.conv_x, 0)
        return F.relu(along_x + x)


class ASPP3d(nn.Module):
    """Atrous spatial pyramid: parallel dilated convolutions on half the channels, fusion, ReLU.

    Args:
        channels: Number of channels c.
        dilations: Dilation of each parallel 3x3x3 convolution.
    """

    def __init__(self, channels: int, dilations: tuple[int, ...] = (1, 2, 4)) -> None:
        super().__init__()
        half = channels // 2
        self.reduce = nn.Conv3d(channels, half, 1)
        self.branches = nn.ModuleList(
            FlatVolumeConv3d(half, half, 3, padding=dilation, dilation=dilation)
            for dilation in dilations
        )
        self.fuse = nn.Conv3d(len(dilations) * half, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, c, X, Y, Z) to the same shape."""
        reduced = pointwise_conv(x, self.reduce)
        branches = torch.cat([branch(reduced) for branch in self.branches], dim=1)
        return F.relu(pointwise_conv(branches, self.fuse))


class SemanticDiffusion(nn.Module):
    """Semantic diffusion block: 3x3x3 convolution, MPAC blocks, ASPP.

    Training does not store the tensors inside the ASPP; the backward pass computes them again.

    Args:
        in_channels: Input channels.
        channels: Channels of all other layers.
        depth: Number of MPAC blocks.
        with_cp: Recompute the MPAC blocks in the backward pass instead of storing their tensors.
    """

    def __init__(
        self, in_channels: int, channels: int, depth: int = 1, with_cp: bool = False
    ) -> None:
        super().__init__()
        self.conv_in = nn.Conv3d(in_channels, channels, 3, padding=1)
        self.blocks = nn.ModuleList(MPAC(channels) for _ in range(depth))
        self.aspp = ASPP3d(channels)
        self.with_cp = with_cp

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, X, Y, Z) to (B, channels, X, Y, Z)."""
        x = self.conv_in(x)
        for block in self.blocks:
            x = recompute_in_backward(block, x) if self.with_cp else block(x)
        return recompute_in_backward(self.aspp, x)
