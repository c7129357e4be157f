"""Join the scenes of two lidar scans."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform, Compose

from mmssc.errors import DataError
from mmssc.registry import TRANSFORMS
from mmssc.structures import VoxelGrid

from .frame_joining import join_volumes, load_other_frame, name_of
from .sample_changes import checked_keys

__all__ = ['JoinLidarScenes']


@TRANSFORMS.register_module()
class JoinLidarScenes(BaseTransform):
    """Join the scene with another one at a vertical plane through the sensor.

    On one side of the plane, points and voxels are those of the other frame: PolarMix
    (arXiv 2208.00223) for completion. No beam crosses the plane, so the points of each side are
    what the sensor measures there, and what they hide stays hidden. The plane goes straight ahead
    or a little to the left or right. So a street gets its two sides from two places.

    Use it after the transforms that load points and labels, and after :class:`ThinLidarBeams`,
    which needs the points in the order of the beams.

    Required Keys: ``draw_item``, a function without arguments that returns the item of a random
    frame (the data sets of mmssc add it); ``voxel_grid``

    Modified Keys, where present: ``points`` and every array over them, every key over the grid, see
    :mod:`mmssc.structures.sample_keys`

    Args:
        loading: The transforms of the pipeline before this one, for the other frame.
        prob: Probability.
        largest_angle: Largest angle between the plane and straight ahead, degrees, 0 to 90.

    Raises:
        DataError: The probability or the angle is wrong, the grid has other axes than x, y, z, the
            sample has an image, or the two frames have different grids or keys.
    """

    def __init__(
        self, loading: Sequence[dict[str, Any]], prob: float = 0.5, largest_angle: float = 20.0
    ) -> None:
        if not 0 <= prob <= 1:
            raise DataError('config', 'JoinLidarScenes.prob', 'a probability 0..1', prob)
        if not 0 <= largest_angle <= 90:
            expected = 'degrees from 0 to 90'
            raise DataError('config', 'JoinLidarScenes.largest_angle', expected, largest_angle)
        self.loading = Compose(loading)
        self.prob, self.largest_angle = prob, largest_angle

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Draw the other frame, the plane and the side that is replaced."""
        if random.random() >= self.prob:
            return results
        other = load_other_frame(results, self.loading, 'JoinLidarScenes')
        angle = math.radians(random.uniform(-self.largest_angle, self.largest_angle))
        side = random.choice((-1, 1))
        return self.join(results, other, (-side * math.sin(angle), side * math.cos(angle)))

    def join(
        self, results: dict[str, Any], other: Mapping[str, Any], normal: tuple[float, float]
    ) -> dict[str, Any]:
        """Replace the side of the plane that ``normal`` (along x and y) points to."""
        grid = VoxelGrid.build(results['voxel_grid'])
        if grid.axes != ('x', 'y', 'z'):
            raise DataError('config', 'model.voxel_grid.axes', ('x', 'y', 'z'), grid.axes)
        x, y = (
            origin + size * (np.arange(side) + 0.5)
            for origin, size, side in zip(grid.origin, grid.voxel_size, grid.shape[:2])
        )
        columns = x[:, None] * normal[0] + y * normal[1] > 0
        join_volumes(results, other, (..., columns, slice(None)), 'JoinLidarScenes')
        over_points = [key for key, known in checked_keys(results) if known.over_points]
        missing = [key for key in over_points if key not in other]
        if missing:
            hint = 'loading has to list the transforms of the pipeline before JoinLidarScenes'
            expected = f'{missing[0]} of both frames'
            raise DataError(name_of(results), 'JoinLidarScenes', expected, 'of one', hint)
        if over_points:
            kept, taken = ~_is_beyond(results, normal), _is_beyond(other, normal)
            for key in over_points:
                results[key] = np.concatenate([results[key][kept], other[key][taken]])
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(prob={self.prob}, largest_angle={self.largest_angle}, '
            f'loading={self.loading})'
        )


def _is_beyond(results: Mapping[str, Any], normal: tuple[float, float]) -> np.ndarray:
    """Which points lie on the side of a plane through the sensor that its normal points to."""
    x, y = results['points'][:, :2].T
    beyond: np.ndarray = x * normal[0] + y * normal[1] > 0
    return beyond
