"""Changing the extent of images."""

from __future__ import annotations

from typing import Any

from mmcv.transforms import BaseTransform

from mmssc.errors import DataError
from mmssc.registry import TRANSFORMS

__all__ = ['CropSSCImages']


@TRANSFORMS.register_module()
class CropSSCImages(BaseTransform):
    """Keep the top left corner of every image, which leaves the intrinsics as they are.

    Depth maps that were loaded are cropped with their images.

    Required Keys: ``img``, ``img_paths``

    Modified Keys: ``img``, ``img_shape``, ``depth`` where present

    Args:
        size: (height, width) in pixels.

    Raises:
        DataError: An image is smaller than ``size``.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = int(size[0]), int(size[1])

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Crop every image."""
        height, width = self.size
        for path, image in zip(results['img_paths'], results['img']):
            if image.shape[0] < height or image.shape[1] < width:
                expected = f'at least {height} x {width} (height x width)'
                raise DataError(
                    path, 'image size', expected, f'{image.shape[0]} x {image.shape[1]}'
                )
        results['img'] = [image[:height, :width] for image in results['img']]
        if 'depth' in results:
            results['depth'] = [depth[:height, :width] for depth in results['depth']]
        results['img_shape'] = self.size
        return results
