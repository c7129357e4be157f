"""Make depth maps from lidar scans."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from mmssc.errors import DataError
from mmssc.formats.kitti import read_velodyne
from mmssc.geometry.lidar_depth import scan_to_depth
from mmssc.registry import TRANSFORMS

from .load_driving import check_images_upright
from .reading import ReadingTransform, SampleFile

__all__ = ['LoadScanDepth']


@TRANSFORMS.register_module()
class LoadScanDepth(ReadingTransform):
    """Project the lidar scan of every frame into its image: a sparse depth map.

    It replaces ``LoadDrivingDepth`` for methods that take depth, and needs no prepared depth maps.
    It comes after ``LoadDrivingImages`` and before a crop.

    Required Keys: ``sequence``, ``frames``, ``ori_shape``, ``P2``, ``lidar2cam``; ``img_paths`` if
    images were loaded

    Added Keys: ``depth`` (N arrays (H, W) float32, metres along the optical axis, 0 = no point),
    ``depth_is_read``

    Args:
        max_depth: Points beyond this depth are left out, metres.

    Raises:
        DataError: A scan is missing or damaged, no point of it is in the image, the image turns
            when it is read, or no image was loaded before.
    """

    data_kind = 'driving'
    inputs = ('depth',)

    def __init__(self, max_depth: float = float('inf')) -> None:
        if not max_depth > 0:
            raise DataError('config', 'LoadScanDepth.max_depth', 'metres above 0', max_depth)
        self.max_depth = max_depth

    def files(self, results: Mapping[str, Any]) -> list[SampleFile]:
        """The scans, which are raw files that no converter makes."""
        return [
            SampleFile(
                frame['scan_path'], 'points', partial(read_velodyne, frame['scan_path']),
                self.inputs, frame_id=frame['frame_id'], prepared=False,
            )
            for frame in results['frames']
        ]  # fmt: skip

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Read and project the scans; a repeated frame is read once."""
        if 'ori_shape' not in results:
            expected, hint = 'the size of the image', 'Put LoadDrivingImages before it'
            raise DataError('config', 'LoadScanDepth', expected, 'none', hint)
        check_images_upright(results.get('img_paths', ()))
        results['depth_is_read'] = True
        # The camera has the same place on the car in all frames, so entry 0 holds for each.
        camera = results['lidar2cam'][0], results['P2'], results['ori_shape']
        depth = [
            self.project(points, *camera, file.path) for file, points in self.read_files(results)
        ]
        return self.add_arrays(results, dict(depth=depth))

    def project(
        self,
        points: np.ndarray,
        lidar2cam: np.ndarray,
        projection: np.ndarray,
        image_size: tuple[int, int],
        source: str,
    ) -> np.ndarray:
        """Make the depth map (H, W) float32 of a scan, metres, 0 = no point.

        Args:
            points: (M, 3 or more) metres.
            lidar2cam: (4, 4), frame of the points to the camera.
            projection: (3, 4) pixels.
            image_size: (height, width).
            source: The scan, for the error.

        Raises:
            DataError: No point is in the image.
        """
        depth = scan_to_depth(points, lidar2cam, projection, image_size, self.max_depth)
        if not depth.any():
            hint = 'Do the camera and its place on the car (lidar2cam, P2) belong to this scan?'
            raise DataError(source, 'points', 'points in the image', 'none', hint)
        return depth
