"""Everything that the RGB-D methods derive from one depth map, in one call."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from mmssc.structures import VoxelGrid

from .depth_mapping import depth_to_voxels, voxel_pixel_mapping
from .tsdf import compute_tsdf, pool_tsdf

__all__ = ['DepthVolumes', 'depth_volumes']


class DepthVolumes(NamedTuple):
    """Result of :func:`depth_volumes`.

    Args:
        tsdf: (X, Y, Z) float32 in [-1, 1], see :func:`~mmssc.geometry.compute_tsdf`.
        voxel_to_pixel: (X, Y, Z) int32 flat pixel index ``row * W + column``, -1 = none.
        tsdf_fine: The TSDF on the fine grid.
        pixel_to_voxel_fine: (H, W) int64 flat voxel index on the fine grid, -1 = none.
    """

    tsdf: Tensor
    voxel_to_pixel: Tensor
    tsdf_fine: Tensor
    pixel_to_voxel_fine: Tensor


def depth_volumes(
    depth: Tensor,
    cam2img: Tensor,
    cam2world: Tensor,
    grid: VoxelGrid,
    factor: int = 4,
    truncation: float = 0.24,
    depth_limits: tuple[float, float] = (0.5, 8.0),
) -> DepthVolumes:
    """TSDF and voxel-pixel mapping of a depth map, for any pinhole camera and any box.

    With NYU's camera, pose and grid, the result equals the files of 3D-Sketch, CleanerS and AMMNet.

    Args:
        depth: (H, W) float32, metres along the optical axis, 0 = none.
        cam2img: (3, 3) intrinsics without skew, pixels.
        cam2world: (4, 4) rigid, camera (x right, y down, z forward) to the frame of ``grid``.
        grid: Grid of the network, any order of axes.
        factor: Computations use voxels of ``1 / factor`` of the edge; the results are pooled.
        truncation: Distance at which the TSDF is 1 (metres).
        depth_limits: Smallest and largest depth that the TSDF uses (metres).

    Raises:
        DataError: The depth map, a matrix or the truncation is wrong.
    """
    fine = grid.refine(factor)
    pixel_voxels = depth_to_voxels(depth, cam2img, cam2world, fine)
    tsdf = compute_tsdf(depth, pixel_voxels, cam2img, cam2world, fine, truncation, depth_limits)
    mapping = voxel_pixel_mapping(pixel_voxels, fine, factor)
    return DepthVolumes(pool_tsdf(tsdf, factor), mapping, tsdf, pixel_voxels)
