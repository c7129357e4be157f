"""Make and change the targets of a sample."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from mmcv.transforms import BaseTransform

from mmssc.errors import DataError
from mmssc.geometry.frustum import frustum_index
from mmssc.geometry.label_pooling import pool_labels, pool_labels_class_first
from mmssc.geometry.ranges import range_slices
from mmssc.registry import TRANSFORMS
from mmssc.structures import VoxelGrid

__all__ = ['FrustumTargets', 'MaskVoxelRange', 'PoolVoxelLabels']

# Number of calibrations whose volume (2 MB on KITTI) a process keeps.
_CACHED_CALIBRATIONS = 32


@TRANSFORMS.register_module()
class MaskVoxelRange(BaseTransform):
    """Ignore the full-resolution labels outside a range in front of the sensor.

    For training on a part of the volume; evaluation needs no mask, since
    :class:`~mmssc.evaluation.SSCMetric` scores all ranges in one run. Coarser targets do not
    change, as in the training of the published models. A sample without labels does not change
    either.

    Required Keys: ``voxel_grid``, ``ignore_index``

    Modified Keys: ``gt_voxels``

    Args:
        max_range: Extent of the range in metres, see :func:`~mmssc.geometry.ranges.range_slices`.
    """

    def __init__(self, max_range: float) -> None:
        self.max_range = float(max_range)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Set labels outside the range to ``ignore_index``."""
        labels = results.get('gt_voxels')
        if labels is not None:
            inside = range_slices(results['voxel_grid'], self.max_range)
            masked = np.full_like(labels, results['ignore_index'])
            masked[inside] = labels[inside]
            results['gt_voxels'] = masked
        return results


@TRANSFORMS.register_module()
class FrustumTargets(BaseTransform):
    """Add the image frustum of each voxel, for the frustum proportion loss.

    The volume depends only on the calibration: every process computes it once per calibration and
    returns the same array, which must not be changed in place. Use it after all transforms that
    change image size, calibration or grid. Only training needs it.

    Required Keys: ``voxel_grid``, ``cam2img``, ``lidar2cam``, ``img_shape``

    Added Keys: ``frustum_index`` ((X, Y, Z) uint8, row-major number of the image's cell, 255 =
    none)

    Args:
        cells: Cells along each side of the image, at most 15.
        rule: Order of the projection's number types, see :func:`mmssc.geometry.project_voxels`.
    """

    def __init__(self, cells: int = 8, rule: str = 'monoscene') -> None:
        self.cells = int(cells)
        self.rule = rule

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add the volume of the reference frame."""
        matrices = (
            np.asarray(results[key], np.float64).tobytes() for key in ('cam2img', 'lidar2cam')
        )
        height, width = results['img_shape']
        results['frustum_index'] = _cached_frustum_index(
            results['voxel_grid'], *matrices, (int(height), int(width)), self.cells, self.rule
        )
        return results


@TRANSFORMS.register_module()
class PoolVoxelLabels(BaseTransform):
    """Pool the loaded labels to coarser scales, for a data set that stores one scale.

    Required Keys: ``gt_voxels``, ``num_classes``, ``ignore_index``

    Added Keys: ``gt_voxels_1_N`` for every N of ``factors``

    Args:
        factors: Edges of the blocks, in voxels of ``gt_voxels``.
        tie: See :func:`mmssc.geometry.pool_labels`.
        rule: ``'majority'``: :func:`mmssc.geometry.pool_labels`. ``'class_first'``: the rule of
            LMSCNet, :func:`mmssc.geometry.pool_labels_class_first`, which has no ``tie``.

    Raises:
        DataError: ``rule`` is unknown.
    """

    def __init__(
        self, factors: Sequence[int] = (4,), tie: str = 'ignore', rule: str = 'majority'
    ) -> None:
        if rule not in ('majority', 'class_first'):
            expected = "'majority' or 'class_first'"
            raise DataError('config', 'PoolVoxelLabels.rule', expected, repr(rule))
        self.factors = tuple(int(factor) for factor in factors)
        self.tie, self.rule = tie, rule

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Pool."""
        labels = torch.from_numpy(np.array(results['gt_voxels']))
        classes, ignore = results['num_classes'], results['ignore_index']
        for factor in self.factors:
            if self.rule == 'class_first':
                pooled = pool_labels_class_first(labels, factor, classes, ignore)
            else:
                pooled = pool_labels(labels, factor, classes, ignore, tie=self.tie)
            results[f'gt_voxels_1_{factor}'] = pooled.numpy()
        return results


@lru_cache(maxsize=_CACHED_CALIBRATIONS)
def _cached_frustum_index(
    grid: VoxelGrid,
    cam2img: bytes,
    lidar2cam: bytes,
    image_size: tuple[int, int],
    cells: int,
    rule: str,
) -> np.ndarray:
    intrinsics = torch.frombuffer(bytearray(cam2img), dtype=torch.float64).view(3, 3)
    poses = torch.frombuffer(bytearray(lidar2cam), dtype=torch.float64).view(-1, 4, 4)
    return frustum_index(grid, poses[0], intrinsics, image_size, cells, rule).numpy()
