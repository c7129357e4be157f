"""Feature necks."""

from .image_projection import ImageProjection

__all__ = ['ImageProjection']
