"""Masks of the voxels that the sensor saw, for scores on these voxels only."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from mmssc.datasets.eval_masks import visibility_masks
from mmssc.formats.kitti import read_voxel_bits
from mmssc.registry import TRANSFORMS

from .frame_errors import unlabelled_error
from .reading import ReadingTransform, SampleFile

__all__ = ['LoadDrivingMasks']


@TRANSFORMS.register_module()
class LoadDrivingMasks(ReadingTransform):
    """The voxel sets of the protocol ``nyu`` for driving data, from the voxel files of the scan.

    The lidar scan replaces the depth camera: ``.bin`` has the voxels that the scan hits (the
    visible surface), ``.occluded`` the voxels hidden from it. SemanticKITTI has both files,
    SSCBench-KITTI-360 has no ``.occluded``. Use it after :class:`LoadDrivingLabels` and before
    transforms that change the grid.

    Required Keys: ``voxel_paths``, ``voxel_grid``, ``ignore_index``; ``gt_voxels`` unless
    ``optional``

    Added Keys: ``eval_masks``: see :func:`mmssc.datasets.eval_masks.visibility_masks`

    Args:
        optional: Accept a sample without labels, which no metric scores; otherwise it is an error.

    Raises:
        DataError: A file is missing or has another size, or the sample has no labels.
    """

    data_kind = 'driving'
    inputs = ()

    def __init__(self, optional: bool = False) -> None:
        self.optional = optional

    def files(self, results: Mapping[str, Any]) -> list[SampleFile]:
        """``.bin`` and ``.occluded``. These are raw files that no command makes."""
        if 'label_paths' not in results:
            if self.optional:
                return []
            raise unlabelled_error(results, self)
        shape = results['voxel_grid'].shape
        return [
            SampleFile(path, 'bits', partial(read_voxel_bits, path, shape), ('eval_masks',), shape,
                       prepared=False)
            for path in (results['voxel_paths'][kind] for kind in ('bin', 'occluded'))
        ]  # fmt: skip

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Read the two files."""
        labels = results.get('gt_voxels')
        if labels is None:
            if self.optional:
                return results
            raise unlabelled_error(results, self)
        hit, occluded = (bits for _, bits in self.read_files(results))
        occupied = (labels != 0) & (labels != results['ignore_index'])
        results['eval_masks'] = visibility_masks(occupied | occluded, hit)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(optional={self.optional})'
