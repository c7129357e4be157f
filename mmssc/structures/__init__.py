"""Data structures that all packages share."""

from .camera import Camera
from .ssc_data_sample import SSCDataSample
from .voxel_grid import VoxelGrid

__all__ = ['Camera', 'SSCDataSample', 'VoxelGrid']
