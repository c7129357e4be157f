"""Mirror and rotate the volumes of an RGB-D frame, and everything that depends on them."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform

from mmssc.errors import DataError
from mmssc.registry import TRANSFORMS
from mmssc.structures import VoxelGrid
from mmssc.structures.sample_keys import SampleKey

from .sample_changes import change_voxels, move_frames, renumber_voxels

__all__ = ['FlipRGBDVolumes', 'TransposeRGBDVolumes', 'axis_of']


def _transform_volumes(
    results: dict[str, Any], order: Sequence[int], reversed_axes: tuple[int, ...]
) -> dict[str, Any]:
    """Permute the array axes, then reverse some; each voxel keeps its pixel."""

    def change(volume: np.ndarray, _: SampleKey | None = None) -> np.ndarray:
        return np.flip(volume.transpose(order), reversed_axes)

    grid = VoxelGrid.build(results['voxel_grid'])
    before = change(np.arange(grid.num_voxels).reshape(grid.shape)).reshape(-1)
    # One more entry: -1 stays -1.
    index = np.full(grid.num_voxels + 1, -1)
    index[before] = np.arange(grid.num_voxels)

    change_voxels(results, change)
    renumber_voxels(results, index)
    _move_world(results, grid, order, reversed_axes)
    return results


def _move_world(
    results: dict[str, Any], grid: VoxelGrid, order: Sequence[int], reversed_axes: tuple[int, ...]
) -> None:
    """Move grid and poses to the mirrored world, so that voxels keep their pixels."""
    old2new = np.zeros((4, 4))
    old2new[3, 3] = 1
    origin = []
    for axis, source in enumerate(order):
        sign = -1 if axis in reversed_axes else 1
        old2new['xyz'.index(grid.axes[axis]), 'xyz'.index(grid.axes[source])] = sign
        origin.append(-grid.upper[source] if sign < 0 else grid.origin[source])
    results['voxel_grid'] = VoxelGrid(origin, grid.voxel_size, grid.shape, grid.axes, grid.frame)
    move_frames(results, grid=old2new)


def axis_of(results: Mapping[str, Any], name: str) -> int:
    """Array axis of an axis of the world.

    Raises:
        DataError: The grid of the sample has no axis of this name.
    """
    axes = VoxelGrid.build(results['voxel_grid']).axes
    if name not in axes:
        raise DataError('config', 'axes', ' or '.join(axes), repr(name))
    return axes.index(name)


@TRANSFORMS.register_module()
class FlipRGBDVolumes(BaseTransform):
    """Mirror all volumes along axes of the world, each with some probability.

    The image does not change, and every voxel keeps its pixel: the mapping, the origin of the grid
    and the pose are mirrored, too. :class:`FlipRGBDImage` mirrors the image. Use it after the
    transforms that read files.

    Required Keys: ``voxel_grid``

    Modified Keys: ``voxel_grid``, and every key over the grid, ``pixel_to_voxel`` and the poses
    where present, see :mod:`mmssc.structures.sample_keys`

    Args:
        axes: Names of world axes; left-right is ``'x'``, near-far ``'y'`` on NYU.
        prob: Probability for each axis.
    """

    def __init__(self, axes: Sequence[str] = ('x',), prob: float = 0.5) -> None:
        self.axes, self.prob = tuple(axes), prob

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Draw the axes and flip."""
        chosen = [axis_of(results, name) for name in self.axes if random.random() < self.prob]
        return _transform_volumes(results, (0, 1, 2), tuple(chosen)) if chosen else results


@TRANSFORMS.register_module()
class TransposeRGBDVolumes(BaseTransform):
    """Exchange two axes of the world, with some probability.

    Together with flips it gives rotations by 90 degrees. It changes the same keys as
    :class:`FlipRGBDVolumes`.

    Args:
        axes: The two world axes; the grid must have the same number and size of voxels along both.
        prob: Probability.

    Raises:
        DataError: The grid differs along the two axes.
    """

    def __init__(self, axes: Sequence[str] = ('x', 'y'), prob: float = 0.5) -> None:
        if len(set(axes)) != 2 or len(axes) != 2:
            raise DataError('config', 'TransposeRGBDVolumes.axes', 'two different axes', axes)
        self.axes, self.prob = tuple(axes), prob

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Exchange the axes, or leave the volumes as they are."""
        if random.random() >= self.prob:
            return results
        one, other = (axis_of(results, name) for name in self.axes)
        grid = VoxelGrid.build(results['voxel_grid'])
        sides = [(grid.shape[axis], grid.voxel_size[axis]) for axis in (one, other)]
        if sides[0] != sides[1]:
            expected = 'the same number and size of voxels'
            raise DataError('voxel grid', f'{self.axes[0]} and {self.axes[1]}', expected, sides)
        order = [0, 1, 2]
        order[one], order[other] = other, one
        return _transform_volumes(results, order, ())
