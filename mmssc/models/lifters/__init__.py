"""Lifters: image features to voxel features."""

from .depth_mapped import DepthMappedLifter, fill_zero_elements, sample_pixels
from .flosp import FLoSP, lift_features

__all__ = [
    'DepthMappedLifter', 'FLoSP', 'fill_zero_elements', 'lift_features', 'sample_pixels',
]  # fmt: skip
