"""Read the lidar scan of a sample as voxels, and the labels of CarlaSC."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch

from mmssc.datasets.carla_sc import CarlaSCDataset
from mmssc.errors import DataError
from mmssc.formats.carla_sc import read_raw_ids, read_ray_counts
from mmssc.formats.kitti import read_velodyne, read_voxel_bits
from mmssc.geometry.voxelize import scan_to_occupancy
from mmssc.registry import TRANSFORMS
from mmssc.structures import VoxelGrid

from .frame_errors import unlabelled_error, warn_unlabelled
from .reading import ReadingTransform, SampleFile

__all__ = ['LoadCarlaSCLabels', 'LoadScanOccupancy']


@TRANSFORMS.register_module()
class LoadScanOccupancy(ReadingTransform):
    """Read the voxels that the lidar scan of a sample hits.

    Required Keys: ``voxel_grid``, ``frame_id``; ``voxel_paths`` for ``source='voxels'``,
    ``frames`` for ``source='scan'``

    Added Keys: ``occupancy`` ((X, Y, Z) bool)

    Args:
        source: ``'voxels'`` reads ``voxels/FFFFFF.bin`` of SemanticKITTI. ``'scan'`` reads the
            points of the scan and puts them into voxels (:func:`mmssc.geometry.floor_points`).
            Both agree but for a few voxels: the makers of SemanticKITTI left out unlabelled points
            and outliers.

    Raises:
        DataError: ``source`` is unknown, or the file is missing or damaged.
    """

    data_kind = 'lidar'
    inputs = ('occupancy',)

    def __init__(self, source: str = 'voxels') -> None:
        if source not in ('voxels', 'scan'):
            expected = "'voxels' or 'scan'"
            raise DataError('config', 'LoadScanOccupancy.source', expected, repr(source))
        self.source = source

    def files(self, results: Mapping[str, Any]) -> list[SampleFile]:
        """The voxels, or the scan; both are raw files that no command makes."""
        grid = VoxelGrid.build(results['voxel_grid'])
        if self.source == 'voxels':
            path = results['voxel_paths']['bin']
            read = partial(read_voxel_bits, path, grid.shape)
            return [SampleFile(path, 'bits', read, self.inputs, grid.shape, prepared=False)]
        path = results['frames'][0]['scan_path']
        read = partial(_read_scan, path, grid)
        return [SampleFile(path, 'points', read, self.inputs, prepared=False)]

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Read the file."""
        ((_, occupancy),) = self.read_files(results)
        return self.add_arrays(results, dict(occupancy=occupancy))

    def __repr__(self) -> str:
        return f'{type(self).__name__}(source={self.source!r})'


def _read_scan(path: str, grid: VoxelGrid) -> np.ndarray:
    return scan_to_occupancy(torch.from_numpy(read_velodyne(path)), grid).numpy()


@TRANSFORMS.register_module()
class LoadCarlaSCLabels(ReadingTransform):
    """Read the labels of a frame of CarlaSC.

    A voxel that no ray saw gets ``ignore_index``, whatever its label is.

    Required Keys: ``voxel_grid``, ``frame_id``; ``label_paths`` unless ``optional``

    Added Keys: ``gt_voxels`` ((X, Y, Z) uint8)

    Args:
        optional: Accept a sample without labels; otherwise it is an error.

    Raises:
        DataError: A file is missing or damaged, or the sample has no labels.
    """

    data_kind = 'lidar'
    inputs = ()

    def __init__(self, optional: bool = False) -> None:
        self.optional = optional

    def files(self, results: Mapping[str, Any]) -> list[SampleFile]:
        """The raw ids, and the number of rays of each voxel."""
        if 'label_paths' not in results:
            if self.optional:
                return []
            raise unlabelled_error(results, self)
        shape, paths = VoxelGrid.build(results['voxel_grid']).shape, results['label_paths']
        return [
            SampleFile(paths[part], kind, partial(read, paths[part], shape), (key,), shape,
                       prepared=False)
            for part, key, kind, read in (
                ('ids', 'gt_voxels', 'words', read_raw_ids),
                ('counts', 'ray_counts', 'words', read_ray_counts),
            )
        ]  # fmt: skip

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Read the two files."""
        read = self.read_files(results)
        if read:
            (file, ids), (_, counts) = read
            labels = CarlaSCDataset.train_labels(ids, counts)
            warn_unlabelled(file.path, labels, results['ignore_index'])
            results['gt_voxels'] = labels
        return results
