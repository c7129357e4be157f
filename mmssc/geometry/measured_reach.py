"""How far back in a volume one view of a room gives evidence."""

from __future__ import annotations

import torch
from torch import Tensor

from mmssc.errors import DataError
from mmssc.geometry.projection import project_voxels
from mmssc.structures import VoxelGrid

__all__ = ['measured_reach']

# The farthest surface is this quantile of the depth: a few stray pixels must not move it.
_FARTHEST = 0.999


def measured_reach(
    depth: Tensor, grid: VoxelGrid, world2cam: Tensor, margin: float = 0.32
) -> Tensor:
    """The voxels that are not behind the farthest surface of a depth map.

    Behind that surface there is a wall, or a room that the view does not show. The labels of the
    benchmarks end there (255), so no network learns what is behind it.

    Args:
        depth: (H, W), metres along the optical axis, 0 = none.
        grid: The grid.
        world2cam: (4, 4), frame of the grid to the camera (x right, y down, z forward).
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
    # The depth of a centre does not depend on the intrinsics.
    _, centers = project_voxels(grid, world2cam, torch.eye(3))
    return (centers <= farthest + margin).reshape(grid.shape)
