"""Crop images and change their colours."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from PIL import Image, ImageEnhance

from mmssc.errors import DataError
from mmssc.registry import TRANSFORMS

from .sample_changes import change_pixels, refuse_references

__all__ = ['CropDrivingImages', 'JitterDrivingColors']


@TRANSFORMS.register_module()
class CropDrivingImages(BaseTransform):
    """Keep the top left corner of every image, so the intrinsics do not change.

    Loaded depth maps are cropped, too.

    Required Keys: ``img``, ``img_paths``

    Modified Keys: ``img_shape``, ``img`` and every other key over the image

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
        hint = 'FrustumTargets comes after the crop'
        refuse_references(results, 'CropDrivingImages', ('pixels',), hint)
        change_pixels(results, lambda array, _: array[:height, :width])
        results['img_shape'] = self.size
        return results


@TRANSFORMS.register_module()
class JitterDrivingColors(BaseTransform):
    """Change brightness, contrast and saturation, in a random order.

    Each factor is uniform in ``[1 - x, 1 + x]``; all frames of a sample get the same. The contrast
    depends on the mean of the image, so the order with cropping matters: the published MonoScene
    was trained with jitter before cropping.

    Required Keys: ``img``

    Modified Keys: ``img``

    Args:
        brightness: Largest change x of the brightness, 0 to 1.
        contrast: Largest change of the contrast.
        saturation: Largest change of the saturation.
    """

    def __init__(
        self, brightness: float = 0.4, contrast: float = 0.4, saturation: float = 0.4
    ) -> None:
        self.changes = (
            (ImageEnhance.Brightness, brightness),
            (ImageEnhance.Contrast, contrast),
            (ImageEnhance.Color, saturation),
        )

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Jitter every image."""
        steps = [(kind, 1 + random.uniform(-x, x)) for kind, x in self.changes if x > 0]
        random.shuffle(steps)
        changed = []
        for image in results['img']:
            picture = Image.fromarray(np.ascontiguousarray(image))
            for kind, factor in steps:
                picture = kind(picture).enhance(factor)
            changed.append(np.asarray(picture))
        results['img'] = changed
        return results
