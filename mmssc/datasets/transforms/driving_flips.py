"""Mirror a driving scene or only its images, and everything that depends on them."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform

from mmssc.errors import DataError
from mmssc.registry import TRANSFORMS
from mmssc.structures import VoxelGrid
from mmssc.structures.sample_keys import SampleKey

from .sample_changes import (
    change_pixels,
    change_voxels,
    mirror_pixels,
    move_frames,
    refuse_references,
)

__all__ = ['FlipDrivingImages', 'FlipDrivingScene']

_MIRROR_X = np.diag([-1.0, 1, 1, 1])
_MIRROR_Y = np.diag([1.0, -1, 1, 1])
_HINT = 'Put FrustumTargets after the flip; RGB-D methods flip their volumes in the model'


def _reverse_columns(array: np.ndarray, _: SampleKey) -> np.ndarray:
    return array[:, ::-1]


@TRANSFORMS.register_module()
class FlipDrivingScene(BaseTransform):
    """Mirror the whole scene left to right, with some probability.

    The result is the sample of a mirrored world: images, depth maps and label volumes are reversed,
    y of the points changes its sign, and the calibration changes so that every voxel, point and
    depth value projects to ``(width - 1 - u, v)`` instead of ``(u, v)``. Use it after the
    transforms that read files and after cropping, and before :class:`FrustumTargets`.

    ``calibration='kept'`` does the same as the official code of Symphonies (and MonoScene's port in
    it): it keeps the cameras, so projections are off by twice the distance of the principal point
    from the image centre. That code mirrors the image before cropping and the depth map after it:
    put the transform before ``CropDrivingImages`` and set ``depth_width``.

    Required Keys: ``voxel_grid`` (symmetric in y), ``lidar2cam``, ``cam2img``, ``img_shape``

    Modified Keys, where present: ``img``, ``depth``, ``gt_voxels*``, ``label_weight``,
    ``gt_sketch``, ``eval_masks``, ``points``, ``cam2img``, ``P2``, ``lidar2cam``, ``frame2ref``

    Added Keys: ``flipped`` (bool)

    Args:
        prob: Probability.
        calibration: ``'mirrored'`` or ``'kept'``.
        depth_width: With ``'kept'``: number of left columns of the depth maps to reverse; None
            reverses all.

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
        refuse_references(results, 'FlipDrivingScene', ('pixels', 'voxels'), _HINT)
        axis = _lateral_axis(VoxelGrid.build(results['voxel_grid']))
        depth = results.get('depth')
        change_pixels(results, _reverse_columns)
        if depth is not None and self.depth_width is not None:
            width = self.depth_width
            results['depth'] = [np.hstack([d[:, :width][:, ::-1], d[:, width:]]) for d in depth]
        change_voxels(results, lambda volume, _: np.flip(volume, axis))
        if self.calibration == 'mirrored':
            pixels = mirror_pixels(results['img_shape'][1])
            move_frames(results, grid=_MIRROR_Y, camera=_MIRROR_X, pixels=pixels)
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
    """Mirror only the images, with some probability; the scene does not change (MonoScene).

    Every voxel projects to the pixel ``(width - 1 - u, v)`` afterwards: the first row of the
    intrinsics changes, and its focal length becomes negative. Labels, points and the field of view
    do not change. Use it after cropping and before :class:`FrustumTargets`.

    Required Keys: ``img``, ``img_shape``, ``cam2img``

    Modified Keys, where present: ``img``, ``depth``, ``cam2img``, ``P2``

    Added Keys: ``flipped`` (bool)

    Args:
        prob: Probability.

    Raises:
        DataError: The sample contains indices of pixels.
    """

    def __init__(self, prob: float = 0.5) -> None:
        self.prob = prob

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Flip, or leave the sample as it is."""
        results['flipped'] = random.random() < self.prob
        if results['flipped']:
            refuse_references(results, 'FlipDrivingImages', ('pixels', 'voxels'), _HINT)
            change_pixels(results, _reverse_columns)
            move_frames(results, pixels=mirror_pixels(results['img_shape'][1]))
        return results
