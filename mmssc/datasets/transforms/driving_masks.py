"""Which voxels the sensor saw, for scores that leave the rest out."""

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
    """The voxel sets of the protocol ``nyu`` for a drive, from the voxel files of its scan.

    What a depth camera tells indoors the lidar scan tells here: ``.bin`` are the voxels that it
    hits, the visible surface; ``.occluded`` those that it does not see through. SemanticKITTI has
    both files, SSCBench-KITTI-360 has no ``.occluded``. Comes after :class:`LoadDrivingLabels` and
    before whatever changes the grid.

    Required Keys: ``voxel_paths``, ``voxel_grid``, ``ignore_index``; ``gt_voxels`` unless
    ``optional``

    Added Keys: ``eval_masks``: see :func:`~.prepared_frame.visibility_masks`

    Args:
        optional: Pass a sample without labels, which nothing scores; otherwise it is an error.

    Raises:
        DataError: A file is missing or of another size, or the sample has no labels.
    """

    data_kind = 'driving'
    inputs = ()

    def __init__(self, optional: bool = False) -> None:
        self.optional = optional

    def files(self, results: Mapping[str, Any]) -> list[SampleFile]:
        """``.bin`` and ``.occluded``. These are raw files: no command makes them."""
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
