"""Mirroring a scene, or its images alone, with everything that has to follow."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform

from mmssc.errors import DataError
from mmssc.registry import TRANSFORMS
from mmssc.structures import VoxelGrid

__all__ = ['FlipDrivingImages', 'FlipDrivingScene']

_VOLUMES = (
    'gt_voxels', 'gt_voxels_1_2', 'gt_voxels_1_4', 'gt_voxels_1_8', 'label_weight', 'gt_sketch',
)  # fmt: skip
# What says where voxels lie in the image, or cannot be mirrored by reversing an axis.
_NOT_MIRRORED = ('frustum_index', 'voxel_to_pixel', 'pixel_to_voxel', 'tsdf', 'tsdf_clean')
_MIRROR_X = np.diag([-1.0, 1, 1, 1])
_MIRROR_Y = np.diag([1.0, -1, 1, 1])


def _mirror_images(results: dict[str, Any]) -> np.ndarray:
    """Reverse the columns of images and depth maps.

    Returns:
        (3, 3) float64, from pixels to mirrored pixels: u becomes width - 1 - u.
    """
    for key in ('img', 'depth'):
        if key in results:
            results[key] = [array[:, ::-1] for array in results[key]]
    return np.array([[-1.0, 0, results['img_shape'][1] - 1], [0, 1, 0], [0, 0, 1]])


def _refuse(results: dict[str, Any], kind: str) -> None:
    found = [key for key in _NOT_MIRRORED if key in results]
    if found:
        name = f'sample {results["sequence"]}/{results["frame_id"]}'
        hint = 'FrustumTargets comes after the flip; RGB-D methods flip their volumes in the model'
        raise DataError(name, kind, f'none of {", ".join(_NOT_MIRRORED)} yet', found, hint)


@TRANSFORMS.register_module()
class FlipDrivingScene(BaseTransform):
    """Mirror the whole scene left to right, with some probability.

    The mirrored sample is one that a mirrored world would give: images, depth maps and label
    volumes are reversed, y of the points changes its sign, and the calibration follows, so that
    every voxel, point and depth value projects to the pixel ``(width - 1 - u, v)`` of its twin. It
    comes after everything that reads files and after cropping, and before
    :class:`FrustumTargets`.

    ``calibration='kept'`` is what the official code of Symphonies (and MonoScene's port in it)
    does: the cameras stay, so that projections are off by twice the distance of the principal
    point from the middle. Its image is mirrored at full width before it is cropped and its depth
    map after: put the transform before ``CropDrivingImages`` and give ``depth_width``.

    Required Keys: ``voxel_grid`` (symmetric in y), ``lidar2cam``, ``cam2img``, ``img_shape``

    Modified Keys, where present: ``img``, ``depth``, ``gt_voxels*``, ``label_weight``,
    ``gt_sketch``, ``eval_masks``, ``points``, ``cam2img``, ``P2``, ``lidar2cam``, ``frame2ref``

    Added Keys: ``flipped`` (bool)

    Args:
        prob: Probability.
        calibration: ``'mirrored'`` or ``'kept'``.
        depth_width: With ``'kept'``: reverse only the first columns of the depth maps, this many;
            None reverses all.

    Raises:
        DataError: The grid is not symmetric in y, or the sample holds something that cannot be
            mirrored.
    """

    def __init__(
        self, prob: float = 0.5, calibration: str = 'mirrored', depth_width: int | None = None
    ) -> None:
        if calibration not in ('mirrored', 'kept'):
            expected = "'mirrored' or 'kept'"
            raise DataError('config', 'FlipDrivingScene.calibration', expected, repr(calibration))
        if depth_width is not None and calibration != 'kept':
            expected = "None with calibration='mirrored'"
            raise DataError('config', 'FlipDrivingScene.depth_width', expected, depth_width)
        self.prob, self.calibration, self.depth_width = prob, calibration, depth_width

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Flip, or leave the sample as it is."""
        results['flipped'] = random.random() < self.prob
        return self.flip(results) if results['flipped'] else results

    def flip(self, results: dict[str, Any]) -> dict[str, Any]:
        """Mirror the sample."""
        _refuse(results, 'FlipDrivingScene')
        axis = _lateral_axis(VoxelGrid.build(results['voxel_grid']))
        depth = results.get('depth')
        mirror_pixels = _mirror_images(results)
        if depth is not None and self.depth_width is not None:
            width = self.depth_width
            results['depth'] = [np.hstack([d[:, :width][:, ::-1], d[:, width:]]) for d in depth]
        for key in _VOLUMES:
            if key in results:
                results[key] = np.flip(results[key], axis)
        if 'eval_masks' in results:
            masks = results['eval_masks'].items()
            results['eval_masks'] = {name: np.flip(mask, axis) for name, mask in masks}
        if self.calibration == 'kept':
            return results
        if 'points' in results:
            results['points'] = results['points'] * np.array([1, -1, 1], results['points'].dtype)
        results['cam2img'] = mirror_pixels @ results['cam2img'] @ _MIRROR_X[:3, :3]
        if 'P2' in results:
            results['P2'] = mirror_pixels @ results['P2'] @ _MIRROR_X
        results['lidar2cam'] = _MIRROR_X @ results['lidar2cam'] @ _MIRROR_Y
        if 'frame2ref' in results:
            results['frame2ref'] = _MIRROR_Y @ results['frame2ref'] @ _MIRROR_Y
        return results


def _lateral_axis(grid: VoxelGrid) -> int:
    """Array axis that is reversed when y changes its sign."""
    axis = grid.axes.index('y')
    low, high = grid.origin[axis], grid.upper[axis]
    if abs(low + high) > 1e-6 * grid.voxel_size[axis]:
        raise DataError('voxel grid', 'extent along y', 'the same on both sides of 0', (low, high))
    return axis


@TRANSFORMS.register_module()
class FlipDrivingImages(BaseTransform):
    """Mirror the images alone, with some probability; the scene stays (MonoScene).

    Every voxel projects to the pixel ``(width - 1 - u, v)`` afterwards: the first row of the
    intrinsics changes, its focal length becoming negative. Labels, points and the field of view
    are not touched. It comes after cropping and before :class:`FrustumTargets`.

    Required Keys: ``img``, ``img_shape``, ``cam2img``

    Modified Keys, where present: ``img``, ``depth``, ``cam2img``, ``P2``

    Added Keys: ``flipped`` (bool)

    Args:
        prob: Probability.

    Raises:
        DataError: The sample holds something that says which pixel a voxel has.
    """

    def __init__(self, prob: float = 0.5) -> None:
        self.prob = prob

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Flip, or leave the sample as it is."""
        results['flipped'] = random.random() < self.prob
        if results['flipped']:
            _refuse(results, 'FlipDrivingImages')
            mirror_pixels = _mirror_images(results)
            for key in ('cam2img', 'P2'):
                if key in results:
                    results[key] = mirror_pixels @ results[key]
        return results
