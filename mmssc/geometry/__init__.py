"""Geometry: pure functions on tensors, usable without the rest of the library."""

from .depth_to_points import depth_to_points, disparity_to_depth
from .label_pooling import pool_labels
from .projection import field_of_view_mask, voxel_to_pixel
from .rigid import invert_rigid, transform_points
from .voxelize import points_to_occupancy, quantize_points

__all__ = [
    'depth_to_points',
    'disparity_to_depth',
    'field_of_view_mask',
    'invert_rigid',
    'points_to_occupancy',
    'pool_labels',
    'quantize_points',
    'transform_points',
    'voxel_to_pixel',
]
