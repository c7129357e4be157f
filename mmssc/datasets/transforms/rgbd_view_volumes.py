"""Volumes of what the image shows at the pixel of each voxel, for hidden voxels, too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from mmcv.transforms import BaseTransform

from mmssc.errors import DataError
from mmssc.geometry import project_voxels
from mmssc.registry import TRANSFORMS

__all__ = ['AddRGBDViewVolumes', 'project_frame']


@TRANSFORMS.register_module()
class AddRGBDViewVolumes(BaseTransform):
    """Segmentation and depth along the viewing rays, as volumes.

    It uses only the mapping, the camera and the segmentation, so the published files of NYU (with a
    fitted pose, see ``tools/dataset_converters/nyu_cache.py``) and a depth camera give the same
    result. The depth of the visible surface is that of the nearest mapped voxel in each cell of the
    image; cells without one take the depth of the nearest cell.

    Required Keys: ``voxel_to_pixel`` (X, Y, Z), ``voxel_grid``, ``cam2img``, ``lidar2cam``
    (1, 4, 4), ``image_size``; ``segmentation`` (H, W), if the frame has one

    Added Keys:

    - ``surface_offset`` (X, Y, Z) float32: metres along the optical axis from the visible surface
      to the voxel's centre, positive behind it, clipped to ``limit``; ``-2 limit`` outside the
      image
    - ``voxel_segments`` (X, Y, Z) int64, if there is a segmentation: 1 + the id at the pixel that
      the voxel maps to, or, without a mapping, at the pixel that its centre projects to; 0 outside
      the image. ``segmentation`` itself is dropped.

    Args:
        cell: Edge of a cell of the depth map, pixels.
        limit: Largest offset, metres.

    Raises:
        DataError: The frame has no pose, no voxel is visible, or segmentation and image differ in
            size.
    """

    def __init__(self, cell: int = 8, limit: float = 2.4) -> None:
        self.cell, self.limit = cell, limit

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Project every voxel once."""
        name = f'{results["sequence"]}/{results["frame_id"]}'
        height, width = results['image_size']
        pixel, depth, inside = project_frame(results)
        mapping = results['voxel_to_pixel']
        shape, mapping = mapping.shape, mapping.reshape(-1)
        surface = self._surface_depth(mapping, depth, (height, width), name)
        offset = (depth - surface[pixel // width // self.cell, pixel % width // self.cell]).clip(
            -self.limit, self.limit
        )
        offset[~inside] = -2 * self.limit
        results['surface_offset'] = offset.astype(np.float32).reshape(shape)
        if 'segmentation' in results:
            segmentation = results.pop('segmentation')
            if segmentation.shape != (height, width):
                raise DataError(name, 'segmentation size', (height, width), segmentation.shape)
            seen = np.where(mapping >= 0, mapping, pixel)
            ids = segmentation.reshape(-1)[seen].astype(np.int64) + 1
            ids[~inside & (mapping < 0)] = 0
            results['voxel_segments'] = ids.reshape(shape)
        return results

    def _surface_depth(
        self, mapping: np.ndarray, depth: np.ndarray, image_size: tuple[int, int], name: str
    ) -> np.ndarray:
        """(rows, columns) of cells: depth of the visible surface in metres, without holes."""
        hit = np.flatnonzero(mapping >= 0)
        if not len(hit):
            raise DataError(name, 'voxel_to_pixel', 'a visible voxel', 'none')
        row, column = np.divmod(mapping[hit], image_size[1])
        cells = np.full([-(-side // self.cell) for side in image_size], np.inf)
        np.minimum.at(cells, (row // self.cell, column // self.cell), depth[hit])
        from scipy.ndimage import distance_transform_edt  # It takes long to import.

        nearest = distance_transform_edt(
            np.isinf(cells), return_distances=False, return_indices=True
        )
        return cells[tuple(nearest)]

    def __repr__(self) -> str:
        return f'{type(self).__name__}(cell={self.cell}, limit={self.limit})'


def project_frame(results: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Project the centres of all V voxels of a frame.

    Args:
        results: With ``voxel_grid``, ``cam2img``, ``lidar2cam`` (1, 4, 4) and ``image_size``.

    Returns:
        Flat pixel (V,) int64, 0 outside the image; depth (V,) along the optical axis in metres;
        (V,) bool, whether the voxel is in the image.

    Raises:
        DataError: The frame has no camera.
    """
    name = f'{results["sequence"]}/{results["frame_id"]}'
    for key in ('cam2img', 'lidar2cam'):
        if results.get(key) is None:
            raise DataError(
                name, key, 'the camera of the frame', 'none',
                'tools/dataset_converters/nyu_cache.py fits the pose of frames without one',
            )  # fmt: skip
    height, width = results['image_size']
    pixels, depth = (
        array.numpy()
        for array in project_voxels(
            results['voxel_grid'],
            torch.as_tensor(results['lidar2cam'][0]),
            torch.as_tensor(results['cam2img']),
        )
    )
    u, v = pixels[:, 0], pixels[:, 1]
    inside = (u >= 0) & (u < width) & (v >= 0) & (v < height) & (depth > 0)
    return np.where(inside, v * width + u, 0), depth, inside
