"""Transforms of the data sets; they read all files of a sample."""

from typing import Any

from mmssc.renamed import renamed_attribute

from .driving_flips import FlipDrivingImages, FlipDrivingScene
from .driving_images import CropDrivingImages, JitterDrivingColors
from .driving_masks import LoadDrivingMasks
from .formatting import PackSSCInputs
from .grid_and_camera import ApplyCameraOffset, MoveOriginToGrid, SetIntrinsics
from .lidar_flips import FlipLidarScene
from .lidar_hills import RaiseLidarColumns
from .lidar_mixing import JoinLidarScenes
from .lidar_points import DropLidarPoints, JitterLidarPoints, ThinLidarBeams
from .load_driving import LoadDrivingDepth, LoadDrivingImages, LoadDrivingLabels, LoadDrivingPoints
from .load_rgbd import LoadRGBDFrame
from .load_scan_depth import LoadScanDepth
from .load_scans import LoadCarlaSCLabels, LoadScanOccupancy
from .reading import ReadingTransform, SampleFile, reading_transforms
from .rgbd_flips import FlipRGBDVolumes, TransposeRGBDVolumes
from .rgbd_images import (
    CropRGBDImage,
    DistortRGBDColors,
    FlipRGBDImage,
    PadRGBDImage,
    ResizeRGBDImage,
)
from .rgbd_mixing import JoinRGBDRooms
from .rgbd_sensor_faults import ConfuseRGBDSegments, EraseRGBDDepth
from .rgbd_shifts import ShiftRGBDVolumes
from .rgbd_view_volumes import AddRGBDViewVolumes
from .voxel_targets import FrustumTargets, MaskVoxelRange, PoolVoxelLabels

__all__ = [
    'AddRGBDViewVolumes',
    'ApplyCameraOffset',
    'ConfuseRGBDSegments',
    'CropRGBDImage',
    'CropDrivingImages',
    'DistortRGBDColors',
    'DropLidarPoints',
    'EraseRGBDDepth',
    'FlipRGBDImage',
    'FlipDrivingImages',
    'FlipDrivingScene',
    'FlipLidarScene',
    'FlipRGBDVolumes',
    'FrustumTargets',
    'JitterDrivingColors',
    'JitterLidarPoints',
    'JoinLidarScenes',
    'JoinRGBDRooms',
    'LoadCarlaSCLabels',
    'LoadDrivingDepth',
    'LoadRGBDFrame',
    'LoadDrivingPoints',
    'LoadDrivingImages',
    'LoadDrivingMasks',
    'LoadDrivingLabels',
    'LoadScanDepth',
    'LoadScanOccupancy',
    'MaskVoxelRange',
    'MoveOriginToGrid',
    'PackSSCInputs',
    'PadRGBDImage',
    'PoolVoxelLabels',
    'RaiseLidarColumns',
    'ReadingTransform',
    'ResizeRGBDImage',
    'SampleFile',
    'SetIntrinsics',
    'ShiftRGBDVolumes',
    'ThinLidarBeams',
    'TransposeRGBDVolumes',
    'reading_transforms',
]


def __getattr__(name: str) -> Any:
    return renamed_attribute(__name__, globals(), name)
