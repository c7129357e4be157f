"""Move the columns of a lidar scene up and down."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform

from mmssc.errors import DataError
from mmssc.registry import TRANSFORMS
from mmssc.structures import VoxelGrid
from mmssc.structures.sample_keys import SampleKey

from .sample_changes import change_voxels, refuse_references

__all__ = ['RaiseLidarColumns']


@TRANSFORMS.register_module()
class RaiseLidarColumns(BaseTransform):
    """Move every column of voxels up or down by whole voxels, as if the ground had hills.

    The heights are the sum of a shift, a slope along x and y, and bumps: random heights every
    ``spacing`` metres, with straight lines between them. Points move with their column. Voxels that
    come in from below or above are free in ``occupancy`` and have no label in the targets. Use it
    where the ground of the training scenes is flatter than that of real ones.

    Required Keys: ``voxel_grid``; ``ignore_index`` if there are targets

    Modified Keys, where present: ``occupancy``, ``points``, ``gt_voxels*``, ``eval_masks`` and all
    other volumes

    Args:
        shift: Largest shift of the whole scene, metres.
        slope: Largest slope along x and along y, metres per metre.
        bumps: Standard deviation of the bumps, metres.
        spacing: Metres between the random heights.

    Raises:
        DataError: A number is negative, ``spacing`` is 0, or the sample has a camera, which does
            not move with the columns.
    """

    def __init__(
        self, shift: float = 0.3, slope: float = 0.03, bumps: float = 0.2, spacing: float = 12.8
    ) -> None:
        numbers = dict(shift=shift, slope=slope, bumps=bumps, spacing=spacing)
        for name, value in numbers.items():
            if value < 0 or (name == 'spacing' and value == 0):
                expected = 'a number above 0' if name == 'spacing' else 'a number of 0 or more'
                raise DataError('config', f'RaiseLidarColumns.{name}', expected, value)
        self.shift, self.slope, self.bumps, self.spacing = shift, slope, bumps, spacing

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Draw heights and move the columns."""
        hint = 'Use RaiseLidarColumns before the transforms that make indices of voxels'
        refuse_references(results, 'RaiseLidarColumns', ('voxels',), hint)
        if 'img' in results:
            name = f'sample {results["sequence"]}/{results["frame_id"]}'
            raise DataError(name, 'RaiseLidarColumns', 'a sample of a lidar alone', 'img')
        grid = VoxelGrid.build(results['voxel_grid'])
        if grid.axes != ('x', 'y', 'z'):
            raise DataError('config', 'model.voxel_grid.axes', ('x', 'y', 'z'), grid.axes)
        return self.raise_columns(results, self.draw(grid))

    def draw(self, grid: VoxelGrid) -> np.ndarray:
        """Draw the voxels (X, Y) int64 by which each column rises."""
        # The seed of a data loader worker holds for this module, too.
        generator = np.random.default_rng(random.getrandbits(64))
        x, y = (
            origin + size * (np.arange(side) + 0.5)
            for origin, size, side in zip(grid.origin, grid.voxel_size, grid.shape[:2])
        )
        shift, along_x, along_y = generator.uniform(-1, 1, 3) * (self.shift, self.slope, self.slope)
        places = [np.arange(axis[0], axis[-1] + self.spacing, self.spacing) for axis in (x, y)]
        heights = generator.normal(0, self.bumps, [len(place) for place in places])
        rows = np.stack([np.interp(y, places[1], row) for row in heights])
        bumps = np.stack([np.interp(x, places[0], column) for column in rows.T], 1)
        metres = shift + along_x * x[:, None] + along_y * y + bumps
        return np.rint(metres / grid.voxel_size[2]).astype(np.int64)

    def raise_columns(self, results: dict[str, Any], rise: np.ndarray) -> dict[str, Any]:
        """Move the columns.

        Args:
            results: The sample.
            rise: (X, Y) integers, voxels by which each column rises.
        """
        grid = VoxelGrid.build(results['voxel_grid'])
        source = np.arange(grid.shape[2]) - rise[..., None]
        outside = (source < 0) | (source >= grid.shape[2])
        source = source.clip(0, grid.shape[2] - 1)

        def change(volume: np.ndarray, key: SampleKey) -> np.ndarray:
            moved = np.take_along_axis(volume, source, 2)
            moved[outside] = results['ignore_index'] if key.name.startswith('gt_voxels') else 0
            return moved

        change_voxels(results, change)
        if 'points' in results:
            points = results['points'].copy()
            cells = (points[:, :2] - grid.origin[:2]) // grid.voxel_size[:2]
            i, j = (cells.clip(0, np.array(grid.shape[:2]) - 1).astype(np.int64)).T
            points[:, 2] += (rise[i, j] * grid.voxel_size[2]).astype(points.dtype)
            results['points'] = points
        return results
