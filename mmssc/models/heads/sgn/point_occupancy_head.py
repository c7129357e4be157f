"""Depth-based occupancy head: predicts occupied voxels from points only (SGN, sec. 3.2)."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmssc.errors import DataError
from mmssc.geometry.voxelize import quantize_points
from mmssc.models.layers import BEVUNet, DilatedSegmentationHead, recompute_in_backward
from mmssc.ops import SparseIndex, group_mean
from mmssc.registry import MODELS
from mmssc.structures import VoxelGrid

from .multi_scale_pooling import MultiScalePooling
from .sparse_blocks import SparseResidualBlock

__all__ = ['PointOccupancyHead', 'SoftVoxelization']

_PLAIN_BN = dict(type='BN')


class SoftVoxelization(nn.Module):
    """Map points to a soft occupancy volume: values in (0, 1), and 0 in voxels without points.

    Args:
        voxel_grid: Grid of the points.
        channels: Channels of the point and voxel features.
        num_blocks: Number of sparse residual blocks.
        norm_cfg: Normalisation of the sparse rows.
        min_points: A sample with fewer points inside the grid gets an empty volume.
    """

    def __init__(
        self,
        voxel_grid: VoxelGrid,
        channels: int = 16,
        num_blocks: int = 2,
        norm_cfg: dict[str, Any] = _PLAIN_BN,
        min_points: int = 10,
    ) -> None:
        super().__init__()
        self.voxel_grid, self.min_points = voxel_grid, min_points
        self.point_mlp = nn.Sequential(
            nn.Linear(9, channels),
            nn.LayerNorm(channels),
            nn.ReLU(),
            nn.Linear(channels, channels),
        )
        self.blocks = nn.ModuleList(
            SparseResidualBlock(channels, norm_cfg) for _ in range(num_blocks)
        )
        self.attention = MultiScalePooling(channels, channels, 1)

    def forward(self, points: Sequence[Tensor]) -> Tensor:
        """Voxelise points.

        Args:
            points: Per sample (M, 3) float32, x, y, z in the grid's frame, metres.

        Returns:
            (B, X, Y, Z), values in [0, 1].
        """
        point_features, group, index = self.group_points(points)
        features = self.encode_voxels(point_features, group, index)
        for block in self.blocks:
            features = block(features, index)
        occupancy = torch.sigmoid(recompute_in_backward(self.attention, features, index)[:, 0])
        cells = occupancy.new_zeros(index.batch_size * self.voxel_grid.num_voxels)
        volume = cells.index_put((index.keys,), occupancy)
        return volume.view(index.batch_size, *self.voxel_grid.shape)

    @torch.no_grad()
    def group_points(self, points: Sequence[Tensor]) -> tuple[Tensor, Tensor, SparseIndex]:
        """Group the points of a batch by voxel.

        Returns:
            ``features`` (P, 9) float32 of the points inside, in input order: position, offset from
            the mean of the voxel's points, offset from the voxel's *lower corner*; ``group`` (P,)
            int64, voxel of every point; the index of the voxels, sorted by (batch, x, y, z).
        """
        grid = self.voxel_grid
        xyz = torch.cat([cloud[:, :3] for cloud in points]).to(torch.float32)
        counts = torch.tensor([len(cloud) for cloud in points], device=xyz.device)
        sample = torch.arange(len(points), device=xyz.device).repeat_interleave(counts)
        voxel, inside = quantize_points(xyz, grid)
        xyz, sample = xyz[inside], sample[inside]
        found = torch.bincount(sample, minlength=len(points))
        if (found < self.min_points).any():
            warnings.warn(
                f'a sample has fewer than {self.min_points} points inside the voxel grid (points '
                f'per sample: {found.tolist()}); its occupancy volume is empty',
                stacklevel=3,
            )
            kept = (found >= self.min_points)[sample]
            xyz, sample, voxel = xyz[kept], sample[kept], voxel[kept]
        coords = torch.cat([sample[:, None], voxel], dim=1)
        index, group = SparseIndex.group_rows(coords, grid.shape, len(points))
        mean = group_mean(xyz, group, len(index)).index_select(0, group)
        size, origin = xyz.new_tensor(grid.voxel_size), xyz.new_tensor(grid.origin)
        corner = voxel.to(torch.float32) * size + origin
        return torch.cat([xyz, xyz - mean, xyz - corner], dim=1), group, index

    def encode_voxels(self, point_features: Tensor, group: Tensor, index: SparseIndex) -> Tensor:
        """Mean embedding of the points of each voxel, (N, channels)."""
        return group_mean(self.point_mlp(point_features), group, len(index))


@MODELS.register_module()
class PointOccupancyHead(BaseModule):
    """Predict occupancy logits and guidance features at half the resolution of the point grid.

    Args:
        voxel_grid: Grid of the points (:class:`VoxelGrid` or its dict), axes x, y, z; its sides
            are multiples of 8.
        point_channels: Channels of the sparse point network.
        guidance_channels: Channels G of the segmentation head and of the guidance.
        norm_cfg: Normalisation layers; default plain batch normalisation.
        min_points: A sample with fewer points inside the grid gets an empty volume.

    Raises:
        DataError: The grid has wrong axes or sides.
    """

    def __init__(
        self,
        voxel_grid: VoxelGrid | Mapping[str, Any],
        point_channels: int = 16,
        guidance_channels: int = 8,
        norm_cfg: dict[str, Any] = _PLAIN_BN,
        min_points: int = 10,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        grid = VoxelGrid.build(voxel_grid)
        if grid.axes != ('x', 'y', 'z'):
            raise DataError('voxel grid', 'axes', ('x', 'y', 'z'), grid.axes)
        if any(side % 8 for side in grid.shape):
            raise DataError('voxel grid', 'shape', 'multiples of 8', grid.shape)
        self.guidance_channels = guidance_channels
        self.voxelize = SoftVoxelization(
            grid, point_channels, norm_cfg=norm_cfg, min_points=min_points
        )
        self.unet = BEVUNet(grid.shape[2])
        self.seg_head = DilatedSegmentationHead(guidance_channels, norm_cfg)

    def forward(self, points: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Predict occupancy.

        Args:
            points: Per sample (M, 3) float32, x, y, z in the grid's frame, metres.

        Returns:
            Occupancy logits (B, X/2, Y/2, Z/2), guidance (B, G, X/2, Y/2, Z/2) and the soft
            occupancy (B, X, Y, Z) from which both are computed.
        """
        occupancy = self.voxelize(points)
        volume = self.unet(occupancy).unsqueeze(1).contiguous()
        logits, guidance = self.seg_head(volume)
        # The segmentation head works on axes (z, x, y).
        return logits[:, 0].permute(0, 2, 3, 1), guidance.permute(0, 1, 3, 4, 2), occupancy
