"""Feature necks."""

from .image_projection import ImageProjection
from .maskdino_pixel_decoder import MaskDINOPixelDecoder
from .three_planes import ThreePlanes
from .volume_fpn import VolumeFPN

__all__ = ['ImageProjection', 'MaskDINOPixelDecoder', 'ThreePlanes', 'VolumeFPN']
