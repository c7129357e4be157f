"""Move the box of voxels in front of the camera."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform

from mmssc.errors import DataError
from mmssc.registry import TRANSFORMS
from mmssc.structures import VoxelGrid
from mmssc.structures.sample_keys import SampleKey

from .rgbd_flips import axis_of
from .sample_changes import change_voxels, refuse_references

__all__ = ['ShiftRGBDVolumes']


@TRANSFORMS.register_module()
class ShiftRGBDVolumes(BaseTransform):
    """Move the box by a random whole number of voxels along axes of the world.

    The room and the camera stay where they are. Voxels that enter the box have no label and no
    pixel, and their TSDF is that of the last known voxel beside them. Use it before
    :class:`AddRGBDViewVolumes`, which computes its volumes for the moved box.

    Required Keys: ``voxel_grid``, ``ignore_index``

    Modified Keys: ``voxel_grid`` (its origin), and every key over the grid, see
    :mod:`mmssc.structures.sample_keys`

    Args:
        max_shift: Name of a world axis -> largest shift in voxels, either way; left-right is
            ``'x'``, near-far ``'y'`` on NYU.

    Raises:
        DataError: A shift is no whole number from 0, or as long as the grid; an array has another
            resolution than the grid, or an index of voxels.
    """

    def __init__(self, max_shift: Mapping[str, int]) -> None:
        for axis, shift in max_shift.items():
            if not isinstance(shift, int) or shift < 0:
                field = f'ShiftRGBDVolumes.max_shift[{axis!r}]'
                raise DataError('config', field, 'a whole number from 0', shift)
        self.max_shift = dict(max_shift)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Draw a shift for each axis and move the box."""
        grid = VoxelGrid.build(results['voxel_grid'])
        shifts = [0, 0, 0]
        for name, most in self.max_shift.items():
            axis = axis_of(results, name)
            if most >= grid.shape[axis]:
                field = f'ShiftRGBDVolumes.max_shift[{name!r}]'
                raise DataError('config', field, f'less than {grid.shape[axis]} voxels', most)
            shifts[axis] = random.randint(-most, most)
        if not any(shifts):
            return results
        hint = 'Put ShiftRGBDVolumes before the transforms that make them'
        refuse_references(results, 'ShiftRGBDVolumes', ('voxels',), hint)
        sample = f'sample {results["sequence"]}/{results["frame_id"]}'

        def shift(volume: np.ndarray, key: SampleKey) -> np.ndarray:
            if volume.shape != grid.shape:
                raise DataError(sample, f'ShiftRGBDVolumes, {key.name}', grid.shape, volume.shape)
            return _shift(volume, shifts, key, results['ignore_index'])

        change_voxels(results, shift)
        origin = [
            low + shift * size for low, shift, size in zip(grid.origin, shifts, grid.voxel_size)
        ]
        results['voxel_grid'] = VoxelGrid(
            origin, grid.voxel_size, grid.shape, grid.axes, grid.frame
        )
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(max_shift={self.max_shift})'


def _shift(volume: np.ndarray, shifts: list[int], key: SampleKey, ignore: int) -> np.ndarray:
    """Voxel i of the result is voxel i + shift; the last known voxel repeats, or is filled."""
    pads = [(max(-shift, 0), max(shift, 0)) for shift in shifts]
    kept = tuple(
        slice(max(shift, 0), side + min(shift, 0)) for shift, side in zip(shifts, volume.shape)
    )
    if key.dtype.startswith('float'):
        return np.pad(volume[kept], pads, 'edge')
    return np.pad(volume[kept], pads, constant_values=key.voxel_fill(ignore))
