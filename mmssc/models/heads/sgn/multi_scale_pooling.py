"""Multi-scale pooling attention on sparse voxels (SGFE of DRINet and SGN)."""

from __future__ import annotations

from functools import reduce

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmssc.ops import SparseIndex, group_mean

__all__ = ['MultiScalePooling']


class MultiScalePooling(nn.Module):
    """Mix every voxel with the means of the active voxels around it, at several scales.

    Args:
        in_channels: Input channels.
        reduced_channels: Channels r after the first projection; each scale uses r / 2.
        out_channels: Output channels.
        scales: Sides, in voxels, of the pooling cells.
    """

    def __init__(
        self,
        in_channels: int,
        reduced_channels: int,
        out_channels: int,
        scales: tuple[int, ...] = (2, 4, 6, 8),
    ) -> None:
        super().__init__()
        half = reduced_channels // 2
        self.scales = tuple(scales)
        self.reduce = nn.Linear(in_channels, reduced_channels)
        self.scale_fcs = nn.ModuleList(nn.Linear(reduced_channels, half) for _ in scales)
        self.squeeze = nn.Linear(half, half, bias=False)
        self.gates = nn.ModuleList(nn.Linear(half, half) for _ in scales)
        self.mix = nn.Linear(half, reduced_channels, bias=False)
        self.fuse = nn.Linear(2 * reduced_channels, reduced_channels, bias=False)
        self.project = nn.Linear(reduced_channels, out_channels)

    def forward(self, features: Tensor, index: SparseIndex) -> Tensor:
        """Map (N, in_channels) rows of ``index`` to (N, out_channels)."""
        reduced = F.relu(self.reduce(features))
        pooled = [
            self._pool(reduced, index, scale, fc) for scale, fc in zip(self.scales, self.scale_fcs)
        ]
        # Added one after the other: a stack would hold all scales a second time.
        squeezed = F.relu(self.squeeze(reduce(torch.add, pooled)))
        gated = (rows * torch.sigmoid(gate(squeezed)) for rows, gate in zip(pooled, self.gates))
        mixed = self.mix(reduce(torch.add, gated))
        return self.project(F.relu(self.fuse(torch.cat([reduced, mixed], dim=1))))

    @staticmethod
    def _pool(features: Tensor, index: SparseIndex, scale: int, fc: nn.Module) -> Tensor:
        keys, group = index.pool(scale)
        # index_select, not features[group]: it sums its gradient in a fixed order.
        return F.relu(fc(group_mean(features, group, len(keys)))).index_select(0, group)
