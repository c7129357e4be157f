"""Features line of sight projection (FLoSP)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor

from mmssc.geometry.projection import voxel_to_pixel
from mmssc.registry import MODELS
from mmssc.structures import VoxelGrid

__all__ = ['FLoSP', 'MultiScaleFLoSP', 'lift_features', 'lift_pyramid']


@MODELS.register_module()
class FLoSP(BaseModule):
    """Give every voxel the mean of the image features that its centre projects to.

    MonoScene, sec. 3.1, averaged over frames as in VoxFormer and SGN. Pixels are rounded before
    the division by the stride, so a voxel at 15.6 px reads cell 1 of stride 16.

    Args:
        voxel_grid: Grid to fill (:class:`VoxelGrid` or its dict).
        stride: Pixels per feature cell.
    """

    def __init__(
        self,
        voxel_grid: VoxelGrid | Mapping[str, Any],
        stride: int = 16,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.voxel_grid = VoxelGrid.build(voxel_grid)
        self.stride = stride

    def forward(
        self, features: Tensor, cam2img: Tensor, lidar2cam: Tensor, image_size: tuple[int, int]
    ) -> Tensor:
        """Lift image features into the grid.

        Args:
            features: (B, N, C, H, W), N frames.
            cam2img: (B, 3, 3) intrinsics.
            lidar2cam: (B, N, 4, 4) float64, from the grid's frame to the camera of each frame.
            image_size: (height, width) of the images in pixels.

        Returns:
            (B, C, X, Y, Z), channels-last in memory; 0 where no frame sees the voxel.
        """
        pixels, visible = voxel_to_pixel(self.voxel_grid, lidar2cam, cam2img[:, None], image_size)
        rows = lift_features(features, pixels, visible, self.stride)
        return rows.unflatten(1, self.voxel_grid.shape).permute(0, 4, 1, 2, 3)


@MODELS.register_module()
class MultiScaleFLoSP(BaseModule):
    """Sum of :class:`FLoSP` over several feature maps (MonoScene, sec. 3.1).

    Args:
        voxel_grid: Grid to fill (:class:`VoxelGrid` or its dict).
        strides: Pixels per feature cell of each map, finest first.
        rule: Order of the projection's dtype conversions, see
            :func:`mmssc.geometry.project_voxels`.
        pose_dtype: dtype of the poses. MonoScene uses ``'float32'`` on NYU, which changes a few
            pixels.
    """

    def __init__(
        self,
        voxel_grid: VoxelGrid | Mapping[str, Any],
        strides: Sequence[int] = (1, 2, 4, 8),
        rule: str = 'monoscene',
        pose_dtype: str = 'float64',
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.voxel_grid = VoxelGrid.build(voxel_grid)
        self.strides = tuple(strides)
        self.rule = rule
        self.pose_dtype = getattr(torch, pose_dtype)

    def forward(
        self,
        features: Sequence[Tensor],
        cam2img: Tensor,
        lidar2cam: Tensor,
        image_size: tuple[int, int],
    ) -> Tensor:
        """Lift image features into the grid.

        Args:
            features: One (B, N, C, H, W) per stride; H and W are the sides of the image divided by
                the stride, rounded up.
            cam2img: (B, 3, 3) intrinsics.
            lidar2cam: (B, N, 4, 4), from the grid's frame to the camera of each frame.
            image_size: (height, width) of the images in pixels.

        Returns:
            (B, C, X, Y, Z), channels-last in memory; 0 where no frame sees the voxel.
        """
        pixels, visible = voxel_to_pixel(
            self.voxel_grid,
            lidar2cam.to(self.pose_dtype),
            cam2img[:, None],
            image_size,
            self.rule,
        )
        rows = lift_pyramid(features, pixels, visible, self.strides)
        return rows.unflatten(1, self.voxel_grid.shape).permute(0, 4, 1, 2, 3)


def lift_pyramid(
    features: Sequence[Tensor], pixels: Tensor, visible: Tensor, strides: Sequence[int]
) -> Tensor:
    """Sum of :func:`lift_features`, whose shapes apply, over feature maps, one map per stride.

    Raises:
        ValueError: The number of maps differs from the number of strides.
    """
    if len(features) != len(strides):
        raise ValueError(
            f'expected {len(strides)} feature maps, one per stride, got {len(features)}'
        )
    total = lift_features(features[0], pixels, visible, strides[0])
    for feature, stride in zip(features[1:], strides[1:]):
        total = total + lift_features(feature, pixels, visible, stride)
    return total


def lift_features(features: Tensor, pixels: Tensor, visible: Tensor, stride: int) -> Tensor:
    """Mean feature of each voxel over the frames that see it, without interpolation.

    Args:
        features: (B, N, C, H, W).
        pixels: (B, N, V, 2) int64, columns (u, v).
        visible: (B, N, V) bool.
        stride: Pixels per feature cell.

    Returns:
        (B, V, C), 0 where no frame sees the voxel.
    """
    batch_size, num_frames, channels, height, width = features.shape
    cells = pixels[..., 1].div(stride, rounding_mode='floor') * width
    cells = cells + pixels[..., 0].div(stride, rounding_mode='floor')
    # Row 0 is for unseen voxels; the cells follow, frame by frame.
    start = torch.arange(batch_size * num_frames, device=cells.device) * (height * width) + 1
    cells = torch.where(visible, cells + start.view(batch_size, num_frames, 1), 0)
    rows = features.flatten(3).transpose(2, 3).reshape(-1, channels)
    table = F.pad(rows, (0, 0, 1, 0))
    if num_frames == 1:
        return table.index_select(0, cells.flatten()).unflatten(0, (batch_size, -1))
    # Sum in float32 or wider; the gradient skips row 0.
    wide = table.to(torch.promote_types(table.dtype, torch.float32))
    bags = cells.transpose(1, 2).reshape(-1, num_frames)
    total = F.embedding_bag(bags, wide, mode='sum', padding_idx=0).unflatten(0, (batch_size, -1))
    seen_by = visible.sum(dim=1).clamp(min=1).to(total.dtype)
    return (total / seen_by[..., None]).to(features.dtype)
