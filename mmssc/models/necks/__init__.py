"""Feature necks."""

from .image_projection import ImageProjection
from .maskdino_pixel_decoder import MaskDINOPixelDecoder

__all__ = ['ImageProjection', 'MaskDINOPixelDecoder']
