"""Changing the colours of images."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from PIL import Image, ImageEnhance

from mmssc.registry import TRANSFORMS

__all__ = ['JitterSSCColors']


@TRANSFORMS.register_module()
class JitterSSCColors(BaseTransform):
    """Change brightness, contrast and saturation, in a random order.

    Each factor is uniform in ``[1 - x, 1 + x]``; all frames of a sample get the same. The contrast
    is about the mean of the image, so the transform comes before cropping where the published
    model saw it so (MonoScene).

    Required Keys: ``img``

    Modified Keys: ``img``

    Args:
        brightness: Largest change x of the brightness, 0 to 1.
        contrast: The same of the contrast.
        saturation: The same of the saturation.
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
