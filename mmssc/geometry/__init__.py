"""Geometry: pure functions on tensors, usable without the rest of the library."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from .camera_fit import FittedCamera, fit_camera_pose
from .camera_pose import camera_tilt, describe_camera, tilted_camera, turn_camera
from .context_relations import context_relations
from .depth_mapping import (
    depth_to_voxels,
    invert_mapping,
    invert_pixel_mapping,
    place_grid,
    voxel_pixel_mapping,
)
from .depth_to_points import depth_to_points, disparity_to_depth
from .depth_volumes import DepthVolumes, depth_volumes
from .floor import FloorFit, check_placement, find_floor, pose_above_floor
from .floor_contradiction import floor_contradiction
from .frustum import NO_FRUSTUM, assign_frustums, count_frustum_classes, frustum_index
from .label_pooling import pool_labels, pool_labels_class_first
from .measured_reach import measured_reach
from .projection import PROJECTION_RULES, field_of_view_mask, project_voxels, voxel_to_pixel
from .rigid import invert_rigid, transform_points
from .run_lengths import hide_long_runs, run_lengths
from .scan_ground import ScanGround, find_scan_ground
from .scan_thinning import beam_numbers, rosette_mask, thin_beams
from .scan_visibility import OCCLUDED, UNOBSERVED, VISIBLE, scan_visibility
from .sketch import label_sketch
from .tsdf import compute_tsdf, flip_tsdf, label_weight, observed_voxels, pool_tsdf
from .voxelize import (
    floor_points,
    points_to_cells,
    points_to_occupancy,
    quantize_points,
    scan_to_occupancy,
)

__all__ = [
    'FittedCamera',
    'FloorFit',
    'NO_FRUSTUM',
    'OCCLUDED',
    'PROJECTION_RULES',
    'ScanGround',
    'UNOBSERVED',
    'VISIBLE',
    'assign_frustums',
    'beam_numbers',
    'DepthVolumes',
    'camera_tilt',
    'check_placement',
    'compute_tsdf',
    'context_relations',
    'count_frustum_classes',
    'depth_to_points',
    'depth_to_voxels',
    'depth_volumes',
    'describe_camera',
    'disparity_to_depth',
    'field_of_view_mask',
    'find_floor',
    'find_scan_ground',
    'floor_contradiction',
    'fit_camera_pose',
    'flip_tsdf',
    'floor_points',
    'frustum_index',
    'hide_long_runs',
    'invert_mapping',
    'invert_pixel_mapping',
    'invert_rigid',
    'label_sketch',
    'label_weight',
    'measured_reach',
    'observed_voxels',
    'place_grid',
    'pose_above_floor',
    'points_to_cells',
    'points_to_occupancy',
    'pool_labels',
    'pool_labels_class_first',
    'pool_tsdf',
    'project_voxels',
    'quantize_points',
    'rosette_mask',
    'run_lengths',
    'scan_to_occupancy',
    'scan_visibility',
    'thin_beams',
    'tilted_camera',
    'transform_points',
    'turn_camera',
    'voxel_pixel_mapping',
    'voxel_to_pixel',
]


def __getattr__(name: str) -> Callable[..., Any]:
    if name != 'level_camera':
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    new = 'find_floor(...).cam2world'
    message = f'level_camera is called {new} now; the old name goes away in the next release'
    warnings.warn(message, FutureWarning, stacklevel=2)
    return lambda *arguments, **settings: find_floor(*arguments, **settings).cam2world
