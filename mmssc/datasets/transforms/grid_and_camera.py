"""Move the grid of a sample, and change its camera."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform

from mmssc.errors import DataError
from mmssc.registry import TRANSFORMS
from mmssc.structures import VoxelGrid
from mmssc.structures.camera_checks import as_intrinsics, check_image_size

from .sample_changes import move_frames

__all__ = ['ApplyCameraOffset', 'MoveOriginToGrid', 'SetIntrinsics']


@TRANSFORMS.register_module()
class ApplyCameraOffset(BaseTransform):
    """Move the fourth column of the projection matrix into the poses.

    KITTI's ``P2 = K [I | t]`` projects from the frame of camera 0; ``t`` is the offset of camera 2
    (6 cm to the side). Models that project with only ``cam2img`` and ``lidar2cam``, such as the
    official Symphonies and MonoScene, ignore it; after this transform ``cam2img @ lidar2cam``
    projects as ``P2 @ lidar2cam`` did before. Use it before cropping and flipping.

    Required Keys: ``cam2img``, ``P2``, ``lidar2cam``

    Modified Keys: ``P2`` (its fourth column is 0), ``lidar2cam``
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Shift the camera."""
        offset = np.eye(4)
        offset[:3, 3] = np.linalg.solve(results['cam2img'], results['P2'][:, 3])
        move_frames(results, camera=offset)
        results['P2'] = np.pad(results['cam2img'], ((0, 0), (0, 1)))
        return results


@TRANSFORMS.register_module()
class MoveOriginToGrid(BaseTransform):
    """Put the origin of the reference frame at the lower corner of the grid.

    For data sets with one grid per frame (NYU), and models that project with the single grid of
    their config: the origin of the grid becomes (0, 0, 0), and the poses change with it.

    Required Keys: ``voxel_grid``, ``lidar2cam``

    Modified Keys: ``voxel_grid``, ``lidar2cam``, and ``points`` and ``frame2ref`` where present
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Shift the frame."""
        grid = VoxelGrid.build(results['voxel_grid'])
        corner = np.array([grid.origin[grid.axes.index(axis)] for axis in ('x', 'y', 'z')])
        old2new = np.eye(4)
        old2new[:3, 3] = -corner
        results['voxel_grid'] = replace(grid, origin=(0.0, 0.0, 0.0))
        move_frames(results, grid=old2new)
        return results


@TRANSFORMS.register_module()
class SetIntrinsics(BaseTransform):
    """Replace the camera matrix of the data set, as some published models do (MonoScene, NYU).

    Use it before cropping and flipping.

    Required Keys: ``img_shape``

    Modified Keys: ``cam2img``

    Args:
        cam2img: 3 x 3 numbers, in pixels of an image of ``image_size``.
        image_size: (height, width); for images of another size the matrix is scaled.

    Raises:
        DataError: ``cam2img`` is not a 3 x 3 matrix, or not a camera of such images.
    """

    def __init__(self, cam2img: Sequence[Sequence[float]], image_size: tuple[int, int]) -> None:
        self.cam2img = np.asarray(cam2img, np.float64)
        if self.cam2img.shape != (3, 3):
            raise DataError('config', 'SetIntrinsics.cam2img', '3 x 3', self.cam2img.shape)
        self.image_size = image_size[0], image_size[1]
        field = 'SetIntrinsics.cam2img'
        check_image_size(as_intrinsics(self.cam2img, 'config', field), image_size, 'config', field)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Replace the matrix."""
        rows = (results['img_shape'][1] / self.image_size[1],
                results['img_shape'][0] / self.image_size[0], 1.0)  # fmt: skip
        results['cam2img'] = np.diag(rows) @ self.cam2img
        return results
