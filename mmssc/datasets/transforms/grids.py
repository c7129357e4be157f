"""Changing where a sample's grid lies."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform

from mmssc.registry import TRANSFORMS
from mmssc.structures import VoxelGrid

__all__ = ['MoveOriginToGrid']


@TRANSFORMS.register_module()
class MoveOriginToGrid(BaseTransform):
    """Put the origin of the reference frame at the lower corner of the grid.

    For data sets whose frames each have a grid of their own (NYU), and models that project with
    the one grid of their config: its origin is (0, 0, 0), and the poses follow.

    Required Keys: ``voxel_grid``, ``lidar2cam``

    Modified Keys: ``voxel_grid``, ``lidar2cam``, ``points`` where present
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Shift the frame."""
        grid = VoxelGrid.build(results['voxel_grid'])
        corner = np.array([grid.origin[grid.axes.index(axis)] for axis in ('x', 'y', 'z')])
        shift = np.eye(4)
        shift[:3, 3] = corner
        results['voxel_grid'] = replace(grid, origin=(0.0, 0.0, 0.0))
        results['lidar2cam'] = results['lidar2cam'] @ shift
        if 'points' in results:
            points = results['points'].astype(np.float64) - corner
            results['points'] = points.astype(results['points'].dtype)
        return results
