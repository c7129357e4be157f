"""Reverse a lidar scene along horizontal axes."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform

from mmssc.errors import DataError
from mmssc.registry import TRANSFORMS
from mmssc.structures import VoxelGrid

from .sample_changes import change_voxels, move_frames, refuse_references

__all__ = ['FlipLidarScene']


@TRANSFORMS.register_module()
class FlipLidarScene(BaseTransform):
    """Reverse the scene along x and y, independently, each with some probability.

    All volumes (occupancy, targets, masks) are reversed, points are mirrored at the middle of the
    grid, and ``lidar2cam`` and ``frame2ref`` change with them. Images do not change. The official
    code of LMSCNet and CarlaSC reverses both axes. On SemanticKITTI no real scan looks like one
    that is reversed along x, so ``axes=('y',)`` can be better for a new model.

    Required Keys: ``voxel_grid``

    Modified Keys, where present: ``occupancy``, ``points``, ``gt_voxels*``, ``eval_masks`` and all
    other volumes, ``lidar2cam``, ``frame2ref``

    Args:
        axes: Axes of the frame, of ``'x'`` and ``'y'``.
        prob: Probability of each axis.

    Raises:
        DataError: An axis is unknown or repeated, the probability is not in 0..1, or the sample
            has indices of voxels.
    """

    def __init__(self, axes: Sequence[str] = ('x', 'y'), prob: float = 0.5) -> None:
        if not set(axes) <= {'x', 'y'} or len(set(axes)) != len(axes):
            raise DataError('config', 'FlipLidarScene.axes', "'x', 'y' or both", tuple(axes))
        if not 0 <= prob <= 1:
            raise DataError('config', 'FlipLidarScene.prob', 'a probability 0..1', prob)
        self.axes, self.prob = tuple(axes), prob

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Reverse the axes that are drawn."""
        drawn = [axis for axis in self.axes if random.random() < self.prob]
        return self.flip(results, drawn) if drawn else results

    def flip(self, results: dict[str, Any], axes: Sequence[str]) -> dict[str, Any]:
        """Reverse the sample along these axes."""
        hint = 'Use FlipLidarScene before the transforms that make indices of voxels'
        refuse_references(results, 'FlipLidarScene', ('voxels',), hint)
        grid = VoxelGrid.build(results['voxel_grid'])
        numbers = tuple(grid.axes.index(axis) for axis in axes)
        change_voxels(results, lambda volume, _: np.flip(volume, numbers))
        mirror = np.eye(4)
        for axis, number in zip(axes, numbers):
            row = 'xyz'.index(axis)
            mirror[row, row] = -1
            mirror[row, 3] = grid.origin[number] + grid.upper[number]
        move_frames(results, grid=mirror)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(axes={self.axes}, prob={self.prob})'
