"""Lifters: image features to voxel features."""

from .depth_mapped import DepthMappedLifter, fill_zero_elements, sample_pixels
from .flosp import FLoSP, MultiScaleFLoSP, lift_features, lift_pyramid

__all__ = [
    'DepthMappedLifter', 'FLoSP', 'MultiScaleFLoSP', 'fill_zero_elements', 'lift_features',
    'lift_pyramid', 'sample_pixels',
]  # fmt: skip
