"""Lifters: image features to voxel features."""

from .depth_mapped import DepthMappedLifter, fill_zero_elements, sample_pixels
from .flosp import FLoSP, MultiScaleFLoSP, lift_features, lift_pyramid
from .volume_projection import SceneView, view_scene

__all__ = [
    'DepthMappedLifter', 'FLoSP', 'MultiScaleFLoSP', 'SceneView', 'fill_zero_elements',
    'lift_features', 'lift_pyramid', 'sample_pixels', 'view_scene',
]  # fmt: skip
