"""Reading the files of a sample."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from os.path import exists
from typing import Any

import numpy as np
import torch
from mmcv.transforms import BaseTransform

from mmssc.errors import DataError
from mmssc.formats.images import read_rgb
from mmssc.formats.kitti import read_depth, read_velodyne, read_voxel_labels
from mmssc.geometry import depth_to_points, invert_rigid, pool_labels, transform_points
from mmssc.registry import TRANSFORMS

from .frame_errors import naming_frame

__all__ = [
    'LoadDrivingDepth',
    'LoadDrivingPoints',
    'LoadDrivingImages',
    'LoadDrivingLabels',
    'lift_depth',
]


@TRANSFORMS.register_module()
class LoadDrivingImages(BaseTransform):
    """Read the image of every frame.

    Required Keys: ``sequence``, ``frames``

    Added Keys: ``img`` (N arrays (H, W, 3) uint8 RGB), ``img_paths``, ``ori_shape`` and
    ``img_shape`` (height, width)

    Raises:
        DataError: An image is missing or damaged, or the frames differ in size.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Read the images; a frame that is repeated is read once."""
        images: dict[str, np.ndarray] = {}
        for frame in results['frames']:
            path = frame['img_path']
            if path not in images:
                # Images are the data set's own: no converter makes them.
                with naming_frame(results, frame['frame_id'], hint=False):
                    images[path] = read_rgb(path)
        results['img_paths'] = [frame['img_path'] for frame in results['frames']]
        results['img'] = [images[path] for path in results['img_paths']]
        results['ori_shape'] = results['img_shape'] = results['img'][0].shape[:2]
        for path, image in images.items():
            if image.shape[:2] != results['img_shape']:
                expected = f'{results["img_shape"]} as the current frame'
                raise DataError(path, 'image size', expected, image.shape[:2])
        return results


@TRANSFORMS.register_module()
class LoadDrivingDepth(BaseTransform):
    """Read the depth map of every frame: stereo, LiDAR or monocular, from ``.npy`` or ``.png``.

    The folder is the data set's ``data_prefix['depth']`` and the kind of file its
    ``depth_suffix``; nothing else depends on where the depth comes from.

    Required Keys: ``sequence``, ``frames``; ``ori_shape`` if images were loaded

    Added Keys: ``depth`` (N arrays (H, W) float32, metres along the optical axis, 0 = none)

    Raises:
        DataError: A depth map is missing or damaged, or has not the size of the image.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Read the maps; a frame that is repeated is read once."""
        maps: dict[str, np.ndarray] = {}
        for frame in results['frames']:
            frame_id = frame['frame_id']
            if frame_id not in maps:
                with naming_frame(results, frame_id):
                    maps[frame_id] = self._load(frame, results)
        results['depth'] = [maps[frame['frame_id']] for frame in results['frames']]
        return results

    def _load(self, frame: Mapping[str, str], results: Mapping[str, Any]) -> np.ndarray:
        return _read_depth_of_image(frame['depth_path'], results)


def _read_depth_of_image(path: str, results: Mapping[str, Any]) -> np.ndarray:
    depth = read_depth(path)
    if 'ori_shape' in results and depth.shape != results['ori_shape']:
        raise DataError(path, 'size', f'{results["ori_shape"]} as the image', depth.shape)
    return depth


def lift_depth(depth: np.ndarray, projection: np.ndarray, lidar2cam: np.ndarray) -> np.ndarray:
    """The points that a point file made from a depth map would hold.

    Args:
        depth: (H, W) float32 metres, 0 = none.
        projection: (3, 4) float64, camera frame to pixels.
        lidar2cam: (4, 4) float64.

    Returns:
        (M, 3) float32 metres in the lidar frame.
    """
    cam2lidar = invert_rigid(torch.from_numpy(lidar2cam))
    points = depth_to_points(torch.from_numpy(depth), torch.from_numpy(projection), cam2lidar)
    # A point file holds float32: round here as well, so that both sources agree.
    return points.numpy().astype(np.float32)


@TRANSFORMS.register_module()
class LoadDrivingPoints(BaseTransform):
    """Read or compute the points of every frame and move them to the current lidar frame.

    Points of frame n are moved by ``frame2ref[n]`` in float64; the clouds are concatenated, current
    frame first. A frame that is repeated gives its points again, as the published models saw it.

    Required Keys: ``sequence``, ``frames``, ``frame2ref``, ``voxel_grid``; for ``'depth'`` also
    ``P2``, ``lidar2cam``; ``ori_shape`` if images were loaded

    Added Keys: ``points`` ((M, 3) float32, metres, current lidar frame)

    Args:
        source: ``'pseudo_lidar'`` reads the prepared point files; ``'depth'`` computes the same
            points from the depth maps, which are a quarter of the size.
        crop_to_grid: Leave out points outside ``voxel_grid``, which no grid of the same box can
            see, after the motion.

    Raises:
        DataError: A file is missing or damaged, or a depth map has not the size of the image.
    """

    def __init__(self, source: str = 'pseudo_lidar', crop_to_grid: bool = False) -> None:
        if source not in ('pseudo_lidar', 'depth'):
            expected = "'pseudo_lidar' or 'depth'"
            raise DataError('config', 'LoadDrivingPoints.source', expected, repr(source))
        self.source = source
        self.crop_to_grid = crop_to_grid

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Load, move and merge the clouds."""
        clouds: dict[str, np.ndarray] = {}
        merged = []
        for frame, frame2ref in zip(results['frames'], results['frame2ref']):
            frame_id = frame['frame_id']
            if frame_id not in clouds:
                with naming_frame(results, frame_id):
                    clouds[frame_id] = self._load(frame, results)
            points = clouds[frame_id]
            if not np.array_equal(frame2ref, np.eye(4)):
                # torch, not NumPy: data loader workers have one thread, NumPy's BLAS all of them.
                exact = torch.from_numpy(points).to(torch.float64)
                moved = transform_points(exact, torch.from_numpy(frame2ref))
                points = moved.to(torch.float32).numpy()
            merged.append(self._crop(points, results) if self.crop_to_grid else points)
        results['points'] = np.concatenate(merged)
        return results

    def _load(self, frame: Mapping[str, str], results: Mapping[str, Any]) -> np.ndarray:
        if self.source == 'depth':
            return self._from_depth(frame['depth_path'], results)
        points = read_velodyne(frame['pseudo_lidar_path'])
        if (points[:, 3] != 1).any():
            warnings.warn(
                f'{frame["pseudo_lidar_path"]}: the fourth column is not 1 (lidar reflectance?); '
                'it is ignored',
                stacklevel=2,
            )
        return points[:, :3]

    @staticmethod
    def _from_depth(path: str, results: Mapping[str, Any]) -> np.ndarray:
        depth = _read_depth_of_image(path, results)
        return lift_depth(depth, results['P2'], results['lidar2cam'][0])

    @staticmethod
    def _crop(points: np.ndarray, results: Mapping[str, Any]) -> np.ndarray:
        grid = results['voxel_grid']
        inside = np.ones(len(points), bool)
        for axis, low, high in zip(grid.axes, grid.origin, grid.upper):
            column = points[:, 'xyz'.index(axis)]
            inside &= (column > np.float32(low)) & (column < np.float32(high))
        return points[inside]


@TRANSFORMS.register_module()
class LoadDrivingLabels(BaseTransform):
    """Read the label volumes of a sample.

    Required Keys: ``sequence``, ``frame_id``, ``voxel_grid``, ``num_classes``, ``ignore_index``;
    ``label_paths`` unless ``optional``

    Added Keys: ``gt_voxels`` for scale ``'1_1'``, ``gt_voxels_1_2`` for ``'1_2'`` and so on:
    (X, Y, Z) uint8 train ids

    Args:
        scales: Scales to load.
        optional: Pass a sample that the info file calls unlabelled; otherwise it is an error.
        pool_missing: Pool a scale whose file does not exist from ``'1_1'`` (the files of the
            converters are made by the same rule) instead of refusing it.

    Raises:
        DataError: A file is missing or damaged, an id is no class, or the sample has no labels.
    """

    def __init__(
        self,
        scales: Sequence[str] = ('1_1', '1_2'),
        optional: bool = False,
        pool_missing: bool = False,
    ) -> None:
        for scale in scales:
            if scale not in ('1_1', '1_2', '1_4', '1_8'):
                expected = "'1_1', '1_2', '1_4' or '1_8'"
                raise DataError('config', 'LoadDrivingLabels.scales', expected, repr(scale))
        self.scales = tuple(scales)
        self.optional = optional
        self.pool_missing = pool_missing

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Read the volumes; leave an unlabelled sample as it is if that is allowed."""
        if 'label_paths' not in results:
            if self.optional:
                return results
            name = f'{results["sequence"]}/{results["frame_id"]}'
            raise DataError(name, 'labels', 'a labelled sample', 'an unlabelled one',
                            'Test splits need LoadDrivingLabels(optional=True)')  # fmt: skip
        for scale in self.scales:
            key = 'gt_voxels' if scale == '1_1' else f'gt_voxels_{scale}'
            with naming_frame(results, results['frame_id']):
                results[key] = self._load(scale, results)
        return results

    def _load(self, scale: str, results: Mapping[str, Any]) -> np.ndarray:
        path, factor = results['label_paths'][scale], int(scale[2:])
        classes, ignore = results['num_classes'], results['ignore_index']
        if factor > 1 and self.pool_missing and not exists(path):
            full = results.get('gt_voxels')
            full = self._load('1_1', results) if full is None else full
            return pool_labels(torch.from_numpy(full), factor, classes, ignore).numpy()
        labels = read_voxel_labels(path, results['voxel_grid'].coarsen(factor).shape)
        unknown = (labels >= classes) & (labels != ignore)
        if unknown.any():
            found = np.unique(labels[unknown]).tolist()
            raise DataError(path, 'train ids', f'0..{classes - 1} or {ignore}', found)
        return labels
