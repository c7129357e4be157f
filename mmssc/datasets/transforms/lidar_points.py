"""Change the points of a lidar scan for training."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform

from mmssc.errors import DataError
from mmssc.geometry.scan_thinning import thin_beams
from mmssc.registry import TRANSFORMS
from mmssc.structures.sample_keys import find_sample_key

__all__ = ['DropLidarPoints', 'JitterLidarPoints', 'ThinLidarBeams']


def _generator() -> np.random.Generator:
    # The seed of a data loader worker holds for this module, too.
    return np.random.default_rng(random.getrandbits(64))


def _keep_points(results: dict[str, Any], kept: np.ndarray) -> dict[str, Any]:
    """Keep some points, and the same entries of every other array over the points."""
    for name in list(results):
        key = find_sample_key(name)
        if key is not None and key.over_points:
            results[name] = results[name][kept]
    return results


@TRANSFORMS.register_module()
class JitterLidarPoints(BaseTransform):
    """Move every point by a random distance along each axis, as noise of the sensor does.

    Use it before transforms that put points into voxels. An ``occupancy`` that was read from a file
    does not change.

    Required Keys: ``points``

    Modified Keys: ``points``

    Args:
        std: Standard deviation, metres.
        largest: Distances are cut at this one, metres.

    Raises:
        DataError: A number is negative or NaN.
    """

    def __init__(self, std: float = 0.01, largest: float = 0.05) -> None:
        if not (std >= 0 and largest >= 0):  # NaN, too
            raise DataError('config', 'JitterLidarPoints', 'distances of 0 or more',
                            (std, largest))  # fmt: skip
        self.std, self.largest = std, largest

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Move the points."""
        points = results['points']
        noise = _generator().normal(0, self.std, points.shape)
        moved = points + noise.clip(-self.largest, self.largest)
        results['points'] = moved.astype(points.dtype)
        return results


@TRANSFORMS.register_module()
class DropLidarPoints(BaseTransform):
    """Leave out a random share of the points, as rain and dark surfaces do.

    Required Keys: ``points``

    Modified Keys: ``points``; ``reflectance`` where present

    Args:
        share: Lowest and highest share of the points to leave out; drawn for each sample.

    Raises:
        DataError: The shares are not in 0..1, or not in order.
    """

    def __init__(self, share: Sequence[float] = (0.0, 0.2)) -> None:
        if len(share) != 2 or not 0 <= share[0] <= share[1] <= 1:
            expected = 'two numbers 0..1, the lower one first'
            raise DataError('config', 'DropLidarPoints.share', expected, tuple(share))
        self.low, self.high = share

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Leave out points."""
        generator = _generator()
        share = generator.uniform(self.low, self.high)
        return _keep_points(results, generator.random(len(results['points'])) >= share)


@TRANSFORMS.register_module()
class ThinLidarBeams(BaseTransform):
    """Keep every (total / keep)-th beam, as a cheaper sensor would measure.

    The scan must be stored beam by beam, as KITTI's are: use it right after
    :class:`LoadDrivingPoints` with one frame and without ``crop_to_grid``.

    Required Keys: ``points``

    Modified Keys: ``points``; ``reflectance`` where present

    Args:
        keep: Number of beams to keep, or several numbers, of which one is drawn for each sample.
        total: Number of beams of the sensor.

    Raises:
        DataError: ``total`` is no multiple of a number, or the points are in another order.
    """

    def __init__(self, keep: int | Sequence[int] = (16, 32, 64), total: int = 64) -> None:
        self.keep = (keep,) if isinstance(keep, int) else tuple(keep)
        wrong = [one for one in self.keep if not 0 < one <= total or total % one]
        if wrong or not self.keep:
            expected = f'divisors of {total} beams'
            raise DataError('config', 'ThinLidarBeams.keep', expected, wrong or 'none')
        self.total = total

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Leave out the other beams."""
        keep = random.choice(self.keep)
        return _keep_points(results, thin_beams(results['points'], keep, self.total))
