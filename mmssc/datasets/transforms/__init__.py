"""Transforms: every file of a sample is read here."""

from .driving_flips import FlipSSCImages, FlipSSCScene
from .driving_images import CropSSCImages, JitterSSCColors
from .driving_masks import LoadVisibilityMasks
from .formatting import PackSSCInputs
from .grids import ApplyCameraOffset, MoveOriginToGrid, SetIntrinsics
from .load_driving import LoadDepthMaps, LoadPseudoLidar, LoadSSCImages, LoadVoxelLabels
from .load_rgbd import LoadPreparedFrame
from .mapped_image import (
    CropMappedImage,
    DistortColors,
    FlipMappedImage,
    PadMappedImage,
    ResizeMappedImage,
)
from .viewing_rays import AddViewVolumes
from .volume_flips import FlipVolumes, TransposeVolumes
from .voxel_targets import FrustumTargets, MaskVoxelRange, PoolVoxelLabels

__all__ = [
    'AddViewVolumes',
    'ApplyCameraOffset',
    'CropMappedImage',
    'CropSSCImages',
    'DistortColors',
    'FlipMappedImage',
    'FlipSSCImages',
    'FlipSSCScene',
    'FlipVolumes',
    'FrustumTargets',
    'JitterSSCColors',
    'LoadDepthMaps',
    'LoadPreparedFrame',
    'LoadPseudoLidar',
    'LoadSSCImages',
    'LoadVisibilityMasks',
    'LoadVoxelLabels',
    'MaskVoxelRange',
    'MoveOriginToGrid',
    'PackSSCInputs',
    'PadMappedImage',
    'PoolVoxelLabels',
    'ResizeMappedImage',
    'SetIntrinsics',
    'TransposeVolumes',
]
