"""From voxels to pixels."""

from __future__ import annotations

import torch
from torch import Tensor

from mmssc.geometry.rigid import transform_points
from mmssc.structures import VoxelGrid

__all__ = ['voxel_to_pixel', 'field_of_view_mask']

# Depths below this are divided as this, so that nothing becomes infinite (metres).
_MIN_DEPTH = 1e-6


def voxel_to_pixel(
    grid: VoxelGrid, ref2cam: Tensor, cam2img: Tensor, image_size: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Project every voxel centre of a grid into images.

    The order of number types decides the last bit, hence some pixels, and is the one that MonoScene
    and its successors train with: centres in float32, rigid transform in float64, intrinsics
    rounded to float32 and multiplied in float64, round half to even.

    Args:
        grid: V voxels.
        ref2cam: (..., 4, 4) float64, frame of the grid to the camera (x right, y down, z forward).
        cam2img: (..., 3, 3) intrinsics; leading dimensions broadcast with those of ``ref2cam``.
        image_size: (height, width) in pixels.

    Returns:
        ``pixels`` (..., V, 2) int64, columns (u, v), rounded; a voxel behind the camera may hold a
        huge number, so mask before an index is computed. ``visible`` (..., V) bool: in front of the
        camera and inside the image.
    """
    centers = grid.centers(torch.float32, ref2cam.device).to(torch.float64)
    ref2cam = ref2cam.to(torch.float64)
    in_camera = transform_points(centers, ref2cam)
    in_image = in_camera @ cam2img.to(torch.float32).to(torch.float64).mT
    depth = in_image[..., 2:]
    pixels = torch.round(in_image[..., :2] / depth.clamp(min=_MIN_DEPTH)).to(torch.int64)
    u, v = pixels.unbind(-1)
    height, width = image_size
    visible = (u >= 0) & (u < width) & (v >= 0) & (v < height) & (depth[..., 0] > 0)
    return pixels, visible


def field_of_view_mask(
    grid: VoxelGrid, ref2cam: Tensor, cam2img: Tensor, image_size: tuple[int, int]
) -> Tensor:
    """Voxels whose centre is seen, as a volume.

    Args and rounding as in :func:`voxel_to_pixel`.

    Returns:
        (..., *grid.shape) bool, array axes of the grid.
    """
    visible = voxel_to_pixel(grid, ref2cam, cam2img, image_size)[1]
    return visible.reshape(*visible.shape[:-1], *grid.shape)
