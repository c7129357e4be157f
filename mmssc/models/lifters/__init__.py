"""Lifters: image features to voxel features."""

from .depth_mapped import DepthMappedLifter, fill_zero_elements, sample_pixels
from .flosp import FLoSP, MultiScaleFLoSP, lift_features, lift_pyramid
from .volume_projection import VolumeProjection, project_volume

__all__ = [
    'DepthMappedLifter', 'FLoSP', 'MultiScaleFLoSP', 'VolumeProjection', 'fill_zero_elements',
    'lift_features', 'lift_pyramid', 'sample_pixels', 'project_volume',
]  # fmt: skip
