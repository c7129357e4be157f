"""How far back in a volume one view of a room gives evidence."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from mmssc.errors import DataError
from mmssc.geometry.depth_to_points import depth_to_points
from mmssc.geometry.projection import project_voxels
from mmssc.structures import VoxelGrid

__all__ = ['measured_reach']

# The farthest surface is this quantile of the depth: a few stray pixels must not move it.
_FARTHEST = 0.999
# A column of pixels counts together with the columns beside it, up to this share of the width.
_BESIDE = 1 / 16


def measured_reach(
    depth: Tensor, grid: VoxelGrid, world2cam: Tensor, cam2img: Tensor, margin: float = 0.32
) -> Tensor:
    """The voxels that are not behind the farthest surface of a depth map.

    Behind that surface there is a wall, or a room that the view does not show. The labels of the
    benchmarks end there (255), so no network learns what is behind it.

    A voxel whose centre is outside the view must also not be behind the farthest surface at the
    nearest columns of the image. There, distance is horizontal: along the tilted axis of a camera
    that looks down, the top of a wall is nearer than its foot.

    Args:
        depth: (H, W), metres along the optical axis, 0 = none. The view ends at the outermost rows
            and columns with a depth.
        grid: The grid; its z axis points up.
        world2cam: (4, 4), frame of the grid to the camera of an upright image (x right, y down, z
            forward).
        cam2img: (3, 3) intrinsics without skew, pixels.
        margin: Thickness of the farthest surface, metres. The default was chosen on training frames
            of NYU, where fewer than 1 % of the labelled occupied voxels are beyond it.

    Returns:
        bool, ``grid.shape``.

    Raises:
        DataError: No pixel has a depth.
    """
    measured = depth[depth > 0].sort().values
    if not len(measured):
        raise DataError('depth map', 'depth', 'a pixel with a depth', 'none')
    farthest = measured[int(_FARTHEST * (len(measured) - 1))]
    pixels, centers = project_voxels(grid, world2cam, cam2img)
    reach = centers <= farthest + margin
    reach &= ~_behind_edge(depth, grid, torch.linalg.inv(world2cam), cam2img, pixels, margin)
    return reach.reshape(grid.shape)


def _behind_edge(
    depth: Tensor,
    grid: VoxelGrid,
    cam2world: Tensor,
    cam2img: Tensor,
    pixels: Tensor,
    margin: float,
) -> Tensor:
    """(V,) bool: outside the view, and behind the farthest surface of the nearest columns."""
    row, column = torch.nonzero(depth > 0, as_tuple=True)
    points = depth_to_points(depth, F.pad(cam2img, (0, 1)), cam2world, -math.inf, math.inf)
    points, centers = (
        torch.linalg.vector_norm((position - cam2world[:3, 3])[:, :2], dim=1)
        for position in (points, grid.centers(torch.float64, depth.device))
    )
    width = depth.shape[1]
    farthest = points.new_zeros(width).scatter_reduce(0, column, points, 'amax')
    beside = int(_BESIDE * width)
    farthest = F.max_pool1d(farthest[None], 2 * beside + 1, 1, beside)[0]
    u, v = pixels.unbind(-1)
    nearest = u.clamp(column.min(), column.max())
    outside = (u != nearest) | (v < row.min()) | (v > row.max())
    return outside & (centers > farthest[nearest] + margin)
