"""Masks of the voxels that the sensor saw, for scores on these voxels only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from mmssc.datasets.eval_masks import scan_masks, visibility_masks
from mmssc.errors import DataError
from mmssc.formats.kitti import read_voxel_bits
from mmssc.registry import TRANSFORMS

from .frame_errors import unlabelled_error
from .reading import ReadingTransform, SampleFile

__all__ = ['LoadDrivingMasks']

# Kind of masks -> the voxel files that they are made of.
_FILES = {'nyu': ('bin', 'occluded'), 'visibility': ('occluded', 'invalid')}


@TRANSFORMS.register_module()
class LoadDrivingMasks(ReadingTransform):
    """The voxel sets of protocols for driving data, from the voxel files of the scan.

    ``.bin`` has the voxels that the lidar scan hits (the visible surface), ``.occluded`` the voxels
    hidden from it, ``.invalid`` those that no scan of the labels saw. SemanticKITTI has all files,
    SSCBench-KITTI-360 has no ``.occluded``. Use it after :class:`LoadDrivingLabels` and before
    transforms that change the grid.

    Required Keys: ``voxel_paths``, ``voxel_grid``, ``ignore_index``; ``gt_voxels`` unless
    ``optional``

    Added Keys: ``eval_masks``: for ``'nyu'`` see
    :func:`mmssc.datasets.eval_masks.visibility_masks` (the lidar scan replaces the depth camera),
    for ``'visibility'`` :func:`mmssc.datasets.eval_masks.scan_masks`

    Args:
        optional: Accept a sample without labels, which no metric scores; otherwise it is an error.
        kinds: ``'nyu'`` for the protocol ``nyu``, ``'visibility'`` for the protocols ``visible``,
            ``occluded`` and ``unobserved``, or both.

    Raises:
        DataError: A kind is unknown, a file is missing or has another size, or the sample has no
            labels.
    """

    data_kind = 'driving'
    inputs = ()

    def __init__(self, optional: bool = False, kinds: Sequence[str] = ('nyu',)) -> None:
        self.kinds = (kinds,) if isinstance(kinds, str) else tuple(kinds)
        unknown = sorted(set(self.kinds) - set(_FILES))
        if unknown or not self.kinds:
            expected = "'nyu', 'visibility' or both"
            raise DataError('config', 'LoadDrivingMasks.kinds', expected, unknown or 'none')
        self.optional = optional

    def files(self, results: Mapping[str, Any]) -> list[SampleFile]:
        """The voxel files. These are raw files that no command makes."""
        if 'label_paths' not in results:
            if self.optional:
                return []
            raise unlabelled_error(results, self)
        shape = results['voxel_grid'].shape
        return [
            SampleFile(path, 'bits', partial(read_voxel_bits, path, shape), ('eval_masks',), shape,
                       prepared=False)
            for path in (results['voxel_paths'][name] for name in self._names)
        ]  # fmt: skip

    @property
    def _names(self) -> list[str]:
        """Names of the files, each once."""
        return list(dict.fromkeys(name for kind in self.kinds for name in _FILES[kind]))

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Read the files."""
        labels = results.get('gt_voxels')
        if labels is None:
            if self.optional:
                return results
            raise unlabelled_error(results, self)
        bits = dict(zip(self._names, (content for _, content in self.read_files(results))))
        masks = {}
        if 'nyu' in self.kinds:
            occupied = (labels != 0) & (labels != results['ignore_index'])
            masks.update(visibility_masks(occupied | bits['occluded'], bits['bin']))
        if 'visibility' in self.kinds:
            masks.update(scan_masks(bits['occluded'], bits['invalid']))
        results['eval_masks'] = masks
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(optional={self.optional}, kinds={self.kinds})'
