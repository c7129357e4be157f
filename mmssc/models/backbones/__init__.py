"""Image, depth and voxel encoders."""

from .mit import MiT

__all__ = ['MiT']
