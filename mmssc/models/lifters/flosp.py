"""Features line of sight projection (FLoSP)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor

from mmssc.geometry.projection import voxel_to_pixel
from mmssc.registry import MODELS
from mmssc.structures import VoxelGrid

__all__ = ['FLoSP', 'lift_features']


@MODELS.register_module()
class FLoSP(BaseModule):
    """Give every voxel the mean of the image features that its centre projects to.

    MonoScene, sec. 3.1, with the averaging over frames of VoxFormer and SGN. Pixels are rounded
    before they are divided by the stride, so a voxel at 15.6 px reads cell 1 of stride 16.

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
        """Lift.

        Args:
            features: (B, N, C, H, W), N frames.
            cam2img: (B, 3, 3) intrinsics.
            lidar2cam: (B, N, 4, 4) float64, grid's frame to the camera of each frame.
            image_size: (height, width) of the images in pixels.

        Returns:
            (B, C, X, Y, Z), channels-last in memory; 0 where no frame sees the voxel.
        """
        pixels, visible = voxel_to_pixel(self.voxel_grid, lidar2cam, cam2img[:, None], image_size)
        rows = lift_features(features, pixels, visible, self.stride)
        return rows.unflatten(1, self.voxel_grid.shape).permute(0, 4, 1, 2, 3)


def lift_features(features: Tensor, pixels: Tensor, visible: Tensor, stride: int) -> Tensor:
    """Mean over the frames that see a voxel of the feature at its pixel (no interpolation).

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
    # One row of zeros after the cells of each sample, for voxels that are not seen.
    cells = torch.where(visible, cells, height * width)
    start = torch.arange(batch_size, device=cells.device) * (height * width + 1)
    cells = cells + start[:, None, None]
    rows = F.pad(features.flatten(3).transpose(2, 3), (0, 0, 0, 1))
    total = rows.new_zeros(())
    for frame in range(num_frames):
        table = rows[:, frame].reshape(-1, channels)
        total = total + table.index_select(0, cells[:, frame].reshape(-1))
    total = total.unflatten(0, (batch_size, -1))
    if num_frames == 1:
        return total
    return total / visible.sum(dim=1).clamp(min=1).to(total.dtype)[..., None]
