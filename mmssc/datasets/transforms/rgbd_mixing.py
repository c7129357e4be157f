"""Join the volumes of two RGB-D frames."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from mmcv.transforms import BaseTransform, Compose

from mmssc.errors import DataError
from mmssc.registry import TRANSFORMS
from mmssc.structures import VoxelGrid

from .frame_joining import join_volumes, load_other_frame
from .rgbd_flips import axis_of

__all__ = ['JoinRGBDRooms']


@TRANSFORMS.register_module()
class JoinRGBDRooms(BaseTransform):
    """Join the frame with another one at a random cut, with some probability.

    On one side of a plane across an axis of the world, the sample gets the voxels of the other
    frame, at the same places: CutMix (arXiv 1905.04899) for rooms. Inputs and labels change alike.

    No image fits the result, so this is for models that read only volumes. ``voxel_to_pixel`` then
    says *whether* a pixel hits a voxel; its pixels on that side are those of the other image.
    Use it after the transforms that make the volumes.

    Required Keys: ``draw_item``, a function without arguments that returns the item of a random
    frame (the data sets of mmssc add it); ``voxel_grid``

    Modified Keys: every key over the grid, see :mod:`mmssc.structures.sample_keys`

    Args:
        loading: The transforms of the pipeline before this one, for the other frame.
        prob: Probability.
        axis: Name of the world axis that is cut; left-right is ``'x'``.
        margin: No cut is nearer to an end of the axis than this share of its length, 0 to 0.5.

    Raises:
        DataError: The margin is wrong, the sample has an array over the image, or the two frames
            have different grids or keys.
    """

    def __init__(
        self,
        loading: Sequence[dict[str, Any]],
        prob: float = 0.5,
        axis: str = 'x',
        margin: float = 0.2,
    ) -> None:
        if not 0 <= margin <= 0.5:
            raise DataError('config', 'JoinRGBDRooms.margin', 'a share from 0 to 0.5', margin)
        self.loading = Compose(loading)
        self.prob, self.axis, self.margin = prob, axis, margin

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Draw the other frame, the cut and the side that is replaced."""
        if random.random() >= self.prob:
            return results
        other = load_other_frame(results, self.loading, 'JoinRGBDRooms')
        grid = VoxelGrid.build(results['voxel_grid'])
        place = self._place(grid, axis_of(results, self.axis))
        join_volumes(results, other, place, 'JoinRGBDRooms')
        return results

    def _place(self, grid: VoxelGrid, axis: int) -> tuple[Any, ...]:
        """Index of the voxels on one side of a random cut, for arrays (..., X, Y, Z)."""
        side = grid.shape[axis]
        least = round(self.margin * side)
        cut = random.randint(least, side - least)
        place = [slice(None)] * 3
        place[axis] = slice(cut, None) if random.random() < 0.5 else slice(None, cut)
        return (..., *place)

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(prob={self.prob}, axis={self.axis!r}, margin={self.margin}, '
            f'loading={self.loading})'
        )
