"""Augment the image of an RGB-D frame, together with the map from pixels to voxels.

TSDF, labels and weights do not change: a pixel keeps its voxel when it moves. After an enlargement
several pixels have the same voxel, after a reduction some voxels have no pixel. CleanerS (arXiv
2303.09977) and AMMNet (arXiv 2403.07560) train with, in this order, :class:`ResizeRGBDImage`,
:class:`CropRGBDImage`, :class:`FlipRGBDImage`, :class:`DistortRGBDColors` and
:class:`PadRGBDImage`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from mmssc.errors import DataError
from mmssc.registry import TRANSFORMS
from mmssc.structures.sample_keys import SampleKey

from .sample_changes import change_pixels, mirror_pixels, move_frames, refuse_references

__all__ = [
    'CropRGBDImage', 'DistortRGBDColors', 'FlipRGBDImage', 'PadRGBDImage', 'ResizeRGBDImage',
]  # fmt: skip

_HINT = 'LoadRGBDFrame(keys=[..., "pixel_to_voxel"]) without "voxel_to_pixel"'


def _change(
    results: dict[str, Any],
    image: Callable[[np.ndarray], np.ndarray],
    pixel_map: Callable[[np.ndarray, int], np.ndarray],
    shape: tuple[int, int],
    move: np.ndarray | None = None,
) -> dict[str, Any]:
    """Change everything that lies over the image.

    Args:
        results: The sample.
        image: Change of images.
        pixel_map: Change of other arrays over the pixels, given the array and the value of pixels
            outside of the image.
        shape: (height, width) afterwards.
        move: (3, 3), from pixels to where they are afterwards; None: they keep their place.
    """
    refuse_references(results, 'augmentation of the image', ('pixels',), _HINT)

    def change(array: np.ndarray, key: SampleKey) -> np.ndarray:
        return image(array) if key.name == 'img' else pixel_map(array, key.pixel_fill)

    change_pixels(results, change)
    if move is not None:
        move_frames(results, pixels=move)
    results['img_shape'] = shape
    return results


@TRANSFORMS.register_module()
class ResizeRGBDImage(BaseTransform):
    """Enlarge or reduce with a fixed aspect ratio, with some probability.

    Interpolation with OpenCV: images bilinear (in float32), maps of pixels nearest.

    Required Keys: ``img_shape``; and any key over the image

    Modified Keys: the same; ``img`` becomes float32

    Args:
        prob: Probability.
        ratio: Interval of the scale factor, drawn uniformly.
    """

    def __init__(self, prob: float = 0.5, ratio: Sequence[float] = (0.8, 1.2)) -> None:
        if not 0 < ratio[0] <= ratio[1]:
            raise DataError('config', 'ResizeRGBDImage.ratio', '(low, high) above 0', ratio)
        self.prob, self.ratio = prob, (float(ratio[0]), float(ratio[1]))

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Draw a size and resize, or leave the image as it is."""
        if random.random() >= self.prob:
            return results
        ratio = random.uniform(*self.ratio)
        height, width = results['img_shape']
        return self.resize(results, (int(height * ratio), int(width * ratio)))

    @staticmethod
    def resize(results: dict[str, Any], limits: tuple[int, int]) -> dict[str, Any]:
        """Resize to the largest size of this aspect within ``limits`` (height, width)."""
        height, width = results['img_shape']
        factor = min(max(limits) / max(height, width), min(limits) / min(height, width))
        new_height, new_width = (max(1, int(side * factor + 0.5)) for side in (height, width))
        size = (new_width, new_height)

        def image(array: np.ndarray) -> np.ndarray:
            return cv2.resize(array.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)

        def pixel_map(array: np.ndarray, _: int) -> np.ndarray:
            # OpenCV resizes neither 64-bit integers nor truth values; indices fit 32 bits.
            kind = np.int32 if array.dtype.kind in 'iub' else array.dtype
            resized = cv2.resize(array.astype(kind), size, interpolation=cv2.INTER_NEAREST)
            return resized.astype(array.dtype)

        # The borders of the image stay borders: pixel centres lie at whole numbers.
        scale = new_width / width, new_height / height
        move = np.diag((*scale, 1.0))
        move[:2, 2] = [(factor - 1) / 2 for factor in scale]
        return _change(results, image, pixel_map, (new_height, new_width), move)


@TRANSFORMS.register_module()
class CropRGBDImage(BaseTransform):
    """Crop a window at a random position.

    Required Keys: ``img_shape``, ``ori_shape`` if ``size`` is None; and any key over the image

    Args:
        size: (height, width) of the window; a smaller image does not change. None: the original
            size of the image.
    """

    def __init__(self, size: Sequence[int] | None = None) -> None:
        self.size = _pair(size)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Draw a position and crop."""
        size = _size(self.size, results)
        margins = (max(have - keep, 0) for have, keep in zip(results['img_shape'], size))
        top, left = (random.randint(0, margin) for margin in margins)
        return self.crop(results, top, left)

    def crop(self, results: dict[str, Any], top: int, left: int) -> dict[str, Any]:
        """Crop the window whose upper left pixel is (top, left)."""
        height, width = _size(self.size, results)
        window = np.s_[top : top + height, left : left + width]
        shape = tuple(min(have, keep) for have, keep in zip(results['img_shape'], (height, width)))
        move = np.array([[1.0, 0, -left], [0, 1, -top], [0, 0, 1]])
        return _change(results, lambda a: a[window], lambda a, _: a[window], shape, move)


@TRANSFORMS.register_module()
class FlipRGBDImage(BaseTransform):
    """Mirror image and maps of pixels left to right, with some probability.

    The volume does not change.

    Required Keys: ``img_shape``; and any key over the image

    Args:
        prob: Probability.
    """

    def __init__(self, prob: float = 0.5) -> None:
        self.prob = prob

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Flip, or leave the image as it is."""
        return self.flip(results) if random.random() < self.prob else results

    @staticmethod
    def flip(results: dict[str, Any]) -> dict[str, Any]:
        """Mirror."""
        shape = results['img_shape']
        move = mirror_pixels(shape[1])
        return _change(results, lambda a: a[:, ::-1], lambda a, _: a[:, ::-1], shape, move)


@TRANSFORMS.register_module()
class PadRGBDImage(BaseTransform):
    """Pad to a size at the bottom and on the right.

    Required Keys: ``img_shape``, ``ori_shape`` if ``size`` is None; and any key over the image

    Args:
        size: (height, width). None: the original size of the image.
        mean: Colour of the added pixels, RGB in 0..1: the mean of the data preprocessor makes them
            0 in the network. Images become float32.

    Raises:
        DataError: The image is larger than ``size``.
    """

    def __init__(
        self,
        size: Sequence[int] | None = None,
        mean: Sequence[float] = (0.485, 0.456, 0.406),
    ) -> None:
        self.size = _pair(size)
        self.color = np.array(mean, np.float32) * 255

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Pad; an image of this size does not change."""
        shape, size = tuple(results['img_shape']), _size(self.size, results)
        if shape == size:
            return results
        if shape[0] > size[0] or shape[1] > size[1]:
            name = f'sample {results["sequence"]}/{results["frame_id"]}'
            expected = f'at most {size[0]} x {size[1]}'
            raise DataError(name, 'image size', expected, f'{shape[0]} x {shape[1]}', 'Crop first')

        def fill(array: np.ndarray, value: Any, kind: Any) -> np.ndarray:
            padded = np.empty((*size, *array.shape[2:]), kind)
            padded[:] = value
            padded[: shape[0], : shape[1]] = array
            return padded

        return _change(
            results,
            lambda array: fill(array, self.color, np.float32),
            lambda array, value: fill(array, value, array.dtype),
            size,
        )


@TRANSFORMS.register_module()
class DistortRGBDColors(BaseTransform):
    """Change brightness, contrast, saturation and hue, each with probability 0.5 (SSD, mmseg).

    Contrast comes before or after saturation and hue, with equal probability. For images in 0..255;
    works in 8 bits, with OpenCV's hue scale of 0..179.

    Required Keys: ``img``

    Modified Keys: ``img``, uint8 unless no change was drawn

    Args:
        brightness: Largest added value, uniform in [-brightness, brightness].
        contrast: Factor, uniform in this interval.
        saturation: Factor, uniform in this interval.
        hue: Added integer, uniform in [-hue, hue - 1].
        eight_bits: True rounds a float image to 8 bits first. False does the same as the code of
            CleanerS and AMMNet: without an earlier change of brightness or contrast, saturation and
            hue get a float image and turn it grey or recolour it (28 % of the images).
    """

    def __init__(
        self,
        brightness: float = 32,
        contrast: Sequence[float] = (0.5, 1.5),
        saturation: Sequence[float] = (0.5, 1.5),
        hue: int = 18,
        eight_bits: bool = True,
    ) -> None:
        self.brightness, self.hue, self.eight_bits = float(brightness), int(hue), eight_bits
        self.contrast = float(contrast[0]), float(contrast[1])
        self.saturation = float(saturation[0]), float(saturation[1])

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Draw the changes and apply them to every image."""
        brightness = random.uniform(-self.brightness, self.brightness) if _coin() else None
        contrast_first = _coin()
        contrast = random.uniform(*self.contrast) if _coin() else None
        saturation = random.uniform(*self.saturation) if _coin() else None
        hue = random.randrange(-self.hue, self.hue) if self.hue and _coin() else None
        results['img'] = [
            self.distort(image, brightness, contrast, saturation, hue, contrast_first)
            for image in results['img']
        ]
        return results

    def distort(
        self,
        image: np.ndarray,
        brightness: float | None = None,
        contrast: float | None = None,
        saturation: float | None = None,
        hue: int | None = None,
        contrast_first: bool = True,
    ) -> np.ndarray:
        """Change one image (H, W, 3) RGB; None leaves a property as it is."""
        if brightness is not None:
            image = _linear(image, 1, brightness)
        if contrast is not None and contrast_first:
            image = _linear(image, contrast, 0)
        if saturation is not None or hue is not None:
            if self.eight_bits:
                image = _linear(image, 1, 0)
            if saturation is not None:
                image = _in_hsv(image, 1, lambda channel: _linear(channel, saturation, 0))
            if hue is not None:
                image = _in_hsv(image, 0, lambda channel: (channel.astype(np.int64) + hue) % 180)
        if contrast is not None and not contrast_first:
            image = _linear(image, contrast, 0)
        return image


def _pair(size: Sequence[int] | None) -> tuple[int, int] | None:
    return None if size is None else (int(size[0]), int(size[1]))


def _size(size: tuple[int, int] | None, results: dict[str, Any]) -> tuple[int, int]:
    """The given size, or the original size of the image."""
    return tuple(results['ori_shape']) if size is None else size


def _coin() -> bool:
    return random.random() < 0.5


def _linear(image: np.ndarray, factor: float, offset: float) -> np.ndarray:
    changed = image.astype(np.float32) * np.float32(factor) + np.float32(offset)
    return np.clip(changed, 0, 255).astype(np.uint8)


def _in_hsv(
    image: np.ndarray, channel: int, change: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    hsv = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2HSV)
    hsv[..., channel] = change(hsv[..., channel])
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
