"""Blocks on sparse voxels: residual block and sparse guidance (SGN, sec. 3.3)."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmssc.models.layers import recompute_in_backward
from mmssc.models.layers.norm import build_norm, normalize_rows
from mmssc.ops import SparseIndex, SubMConv3d, group_max

from .multi_scale_pooling import MultiScalePooling

__all__ = ['SparseGuidance', 'SparseResidualBlock']

_SLOPE = 0.1


class SparseResidualBlock(nn.Module):
    """Two submanifold 3x3x3 convolutions and a 1x1x1 shortcut, each normalised; LeakyReLU 0.1.

    Args:
        channels: Number of channels.
        norm_cfg: Normalisation of the rows.
    """

    def __init__(self, channels: int, norm_cfg: dict[str, Any]) -> None:
        super().__init__()
        self.shortcut_conv = SubMConv3d(channels, channels, 1)
        self.shortcut_norm = build_norm(norm_cfg, channels, 1)
        self.conv1 = SubMConv3d(channels, channels, 3)
        self.norm1 = build_norm(norm_cfg, channels, 1)
        self.conv2 = SubMConv3d(channels, channels, 3)
        self.norm2 = build_norm(norm_cfg, channels, 1)

    def forward(self, features: Tensor, index: SparseIndex) -> Tensor:
        """Map (N, channels) rows of ``index`` to the same shape."""
        x = normalize_rows(self.norm1, self.conv1(features, index))
        x = normalize_rows(self.norm2, self.conv2(F.leaky_relu(x, _SLOPE), index))
        shortcut = normalize_rows(self.shortcut_norm, self.shortcut_conv(features, index))
        return F.leaky_relu(shortcut + x, _SLOPE)


class SparseGuidance(nn.Module):
    """Sparse guidance block: attention on the seed voxels at full and half resolution.

    Training stores the input and the output of each attention; the rest of it is computed again in
    the backward pass.

    Args:
        channels: Number of channels C.
        norm_cfg: Normalisation of the rows.
        with_cp: Compute the residual blocks again, too.
    """

    def __init__(self, channels: int, norm_cfg: dict[str, Any], with_cp: bool = False) -> None:
        super().__init__()
        self.with_cp = with_cp
        self.block = SparseResidualBlock(channels, norm_cfg)
        self.attention = MultiScalePooling(channels, channels, channels)
        self.block_down = SparseResidualBlock(channels, norm_cfg)
        self.attention_down = MultiScalePooling(channels, channels, channels)
        self.fuse = nn.Linear(3 * channels, channels)

    def forward(self, seeds: Tensor, index: SparseIndex) -> Tensor:
        """Map (N, C) seed features, rows of ``index``, to the same shape."""
        fine = self._attend(self.block, self.attention, seeds, index)
        index_down, group = index.coarsen(2)
        coarse = group_max(fine, group, len(index_down))
        coarse = self._attend(self.block_down, self.attention_down, coarse, index_down)
        rows = (seeds, fine, coarse.index_select(0, group))
        return recompute_in_backward(self.fuse, *rows, function=self._fuse)

    def _fuse(self, *rows: Tensor) -> Tensor:
        return self.fuse(torch.cat(rows, dim=1))

    def _attend(
        self, block: nn.Module, attention: nn.Module, rows: Tensor, index: SparseIndex
    ) -> Tensor:
        mixed = recompute_in_backward(block, rows, index) if self.with_cp else block(rows, index)
        return recompute_in_backward(attention, mixed, index)
