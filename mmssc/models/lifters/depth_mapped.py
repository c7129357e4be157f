"""Lifting of image features to the voxels that a depth image hits."""

from __future__ import annotations

from typing import Any

from mmengine.model import BaseModule
from torch import Tensor

from mmssc.geometry.tracing import has_values
from mmssc.ops.average_pool import fill_zeros
from mmssc.registry import MODELS

__all__ = ['DepthMappedLifter', 'fill_zero_elements', 'sample_pixels']


@MODELS.register_module()
class DepthMappedLifter(BaseModule):
    """Give every voxel the image feature at the pixel whose depth point lies in it.

    The result equals a bilinear resize of the features to the image, read at the mapped pixels.
    The full-size features are not computed: a frame maps a few thousand voxels, but has several
    hundred thousand pixels.

    Args:
        align_corners: As in ``torch.nn.functional.interpolate``.
        fill: Apply :func:`fill_zero_elements` at the end ("3D initialisation" of 3D-Sketch).
    """

    def __init__(
        self, align_corners: bool, fill: bool = True, init_cfg: dict[str, Any] | None = None
    ) -> None:
        super().__init__(init_cfg)
        self.align_corners = align_corners
        self.fill = fill

    def forward(
        self, features: Tensor, image_size: tuple[int, int], voxel_to_pixel: Tensor
    ) -> Tensor:
        """Lift image features into the volume.

        Args:
            features: (B, C, h, w) at any resolution.
            image_size: (height, width) in pixels of the image that the mapping refers to.
            voxel_to_pixel: (B, X, Y, Z) integers, flat pixel index ``row * width + column``;
                -1 where no pixel hits the voxel.

        Returns:
            (B, C, X, Y, Z); 0 in voxels that no pixel hits, unless filled.

        Raises:
            ValueError: A pixel lies outside the image.
        """
        volume = self.lift(features, image_size, voxel_to_pixel)
        return fill_zero_elements(volume) if self.fill else volume

    def lift(self, features: Tensor, image_size: tuple[int, int], voxel_to_pixel: Tensor) -> Tensor:
        """As :meth:`forward`, without :func:`fill_zero_elements`."""
        batch_size, channels = features.shape[:2]
        flat = voxel_to_pixel.flatten()
        hit = (flat >= 0).nonzero()[:, 0]
        pixels = flat[hit].long()
        height, width = image_size
        if has_values() and len(pixels) and int(pixels.max()) >= height * width:
            last = int(pixels.max())
            raise ValueError(f'pixel {last} is outside the image of {height} x {width} pixels')
        sample = hit.div(voxel_to_pixel[0].numel(), rounding_mode='floor')
        rows = sample_pixels(features, image_size, sample, pixels, self.align_corners)
        volume = rows.new_zeros(flat.shape[0], channels).index_copy_(0, hit, rows)
        volume = volume.view(*voxel_to_pixel.shape, channels).permute(0, 4, 1, 2, 3)
        return volume if volume.device.type == 'cpu' else volume.contiguous()


def sample_pixels(
    features: Tensor,
    image_size: tuple[int, int],
    sample: Tensor,
    pixels: Tensor,
    align_corners: bool,
) -> Tensor:
    """Read the resized features at some pixels by bilinear interpolation.

    Args:
        features: (B, C, h, w).
        image_size: (height, width) that the features would be resized to.
        sample: (N,) int64, index of the sample of each pixel.
        pixels: (N,) int64, flat pixel index ``row * width + column``.
        align_corners: As in ``torch.nn.functional.interpolate``.

    Returns:
        (N, C), in the dtype of the features.
    """
    sides = features.shape[2:]
    row = pixels.div(image_size[1], rounding_mode='floor')
    column = pixels - row * image_size[1]
    (top, bottom, down), (left, right, along) = (
        _neighbours(position, side, length, align_corners)
        for position, side, length in zip((row, column), sides, image_size)
    )
    table = features.permute(0, 2, 3, 1).flatten(0, 2)
    start = sample * (sides[0] * sides[1])

    def read(y: Tensor, x: Tensor) -> Tensor:
        # index_select, not table[...]: it sums its gradient in a fixed order.
        return table.index_select(0, start + y * sides[1] + x)

    down, along = (part.to(features.dtype)[:, None] for part in (down, along))
    upper = read(top, left) * (1 - along) + read(top, right) * along
    lower = read(bottom, left) * (1 - along) + read(bottom, right) * along
    return upper * (1 - down) + lower * down


def _neighbours(
    position: Tensor, side: int, length: int, align_corners: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """The cells before and after a pixel along one axis, and the weight of the second cell."""
    if align_corners:
        source = position.float() * ((side - 1) / max(length - 1, 1))
    else:
        source = ((position.float() + 0.5) * (side / length) - 0.5).clamp_min(0)
    before = source.long().clamp_max(side - 1)
    return before, (before + 1).clamp_max(side - 1), source - before


def fill_zero_elements(volume: Tensor) -> Tensor:
    """Add the mean of the 3x3x3 neighbourhood to every element that is exactly 0.

    The test is per element: it also fills a channel that a ReLU set to 0 in a voxel with features.
    The mean is always over 27 elements; elements outside the volume count as 0.

    Args:
        volume: (B, C, X, Y, Z).
    """
    return fill_zeros(volume)
