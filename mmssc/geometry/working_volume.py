"""Geometry of a coarse volume whose voxels differ in height from the projected voxels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mmssc.errors import DataError
from mmssc.structures import VoxelGrid

__all__ = ['depth_to_coordinates', 'merge_heights', 'normalized_centers', 'to_xyz_axes']

# Larger coordinates are clipped to this: outside of any volume, and safe as integers.
_FAR = 2.0**30


def to_xyz_axes(grid: VoxelGrid) -> tuple[VoxelGrid, tuple[int, int, int]]:
    """The same voxels with array axes x, y, z, and the permutation from the axes of ``grid``.

    Returns:
        The grid and a permutation ``order``: ``array.permute(order)`` has the axes x, y, z, and
        its inverse restores the order.
    """
    order = grid.axes.index('x'), grid.axes.index('y'), grid.axes.index('z')
    fields = {
        name: [getattr(grid, name)[axis] for axis in order]
        for name in ('origin', 'voxel_size', 'shape')
    }
    return VoxelGrid.build({**fields, 'axes': ('x', 'y', 'z'), 'frame': grid.frame}), order


def merge_heights(
    pixels: Tensor, visible: Tensor, shape: Sequence[int], factor: int
) -> tuple[Tensor, Tensor]:
    """Pixels and visibility of voxels that span ``factor`` projected voxels in height.

    Args:
        pixels: (..., X * Y * Z, 2) int64, row ``(x * Y + y) * Z + z``.
        visible: (..., X * Y * Z) bool.
        shape: (X, Y, Z), Z a multiple of ``factor``.
        factor: Number of voxels in height that become one.

    Returns:
        Pixels (..., X * Y * Z / factor, 2) int64: the mean in float32, rounded towards zero.
        Visibility (..., X * Y * Z / factor): whether any of them is visible.
    """
    if factor == 1:
        return pixels, visible
    x, y, z = shape
    heights = (x * y * (z // factor), factor)
    mean = pixels.unflatten(-2, heights).float().mean(-2)
    return mean.to(torch.int64), visible.unflatten(-1, heights).any(-1)


def depth_to_coordinates(
    depth: Tensor,
    grid: VoxelGrid,
    cam2img: Tensor,
    ref2cam: Tensor,
    height_factor: int = 1,
    half_voxel: float = 0.5,
) -> Tensor:
    """Position of each pixel's surface point in a volume, in voxels.

    Args:
        depth: (H, W) metres along the optical axis; pixels without depth need a finite number.
        grid: The projected voxels, axes x, y, z.
        cam2img: (3, 3) intrinsics.
        ref2cam: (4, 4) frame of the grid to the camera (x right, y down, z forward).
        height_factor: Number of voxels of ``grid`` in height per voxel of the volume.
        half_voxel: Subtracted from the coordinate in voxels of ``grid``: 0.5 measures from the
            centre of the first voxel, as MonoScene and Symphonies do; 0 from its lower face.

    Returns:
        (H * W, 3) float64 as (x, y, z), row by row of the image.
    """
    height, width = depth.shape
    depth = depth.to(torch.float64)
    u = torch.arange(width, dtype=torch.float64, device=depth.device)
    v = torch.arange(height, dtype=torch.float64, device=depth.device)[:, None]
    rays = torch.stack([u * depth, v * depth, depth], -1).flatten(0, 1)
    camera = rays @ torch.linalg.inv(cam2img.to(depth)).mT
    pose = torch.linalg.inv(ref2cam.to(depth))
    points = camera @ pose[:3, :3].mT + pose[:3, 3]
    origin, size = depth.new_tensor(grid.origin), depth.new_tensor(grid.voxel_size)
    scale = depth.new_tensor([1, 1, height_factor])
    return (((points - origin) / size - half_voxel) / scale).clamp(-_FAR, _FAR)


def normalized_centers(shape: Sequence[int], alignment: str = 'corners') -> Tensor:
    """Position of every voxel in its volume, 0..1.

    Args:
        shape: (X, Y, Z).
        alignment: ``'corners'``: i / (n - 1), the first at 0 and the last at 1. ``'centers'``:
            (i + 0.5) / n, the position of voxel i in ``grid_sample(align_corners=False)``.

    Returns:
        (3, X, Y, Z) float32, x first.

    Raises:
        DataError: Unknown alignment.
    """
    if alignment not in ('corners', 'centers'):
        expected = "'corners' or 'centers'"
        raise DataError('working volume', 'alignment', expected, repr(alignment))
    axes = []
    for count in shape:
        index = torch.arange(count, dtype=torch.float32)
        corners = alignment == 'corners'
        axes.append(index / max(count - 1, 1) if corners else (index + 0.5) / count)
    return torch.stack(torch.meshgrid(*axes, indexing='ij'))
