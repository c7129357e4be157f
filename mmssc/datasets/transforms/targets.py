"""Changing the targets of a sample."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform

from mmssc.geometry.ranges import range_slices
from mmssc.registry import TRANSFORMS

__all__ = ['MaskVoxelRange']


@TRANSFORMS.register_module()
class MaskVoxelRange(BaseTransform):
    """Ignore the full-resolution labels outside a range in front of the sensor.

    For training on a part of the volume; evaluation needs no mask, since
    :class:`~mmssc.evaluation.SSCMetric` scores all ranges in one run. Coarser targets are left as
    they are, as the published models were trained. A sample without labels passes.

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
