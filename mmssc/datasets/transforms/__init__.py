"""Transforms: every file of a sample is read here."""

from .augment import (
    CropMappedImage,
    DistortColors,
    FlipMappedImage,
    PadMappedImage,
    ResizeMappedImage,
)
from .cropping import CropSSCImages
from .flipping import FlipSSCImages, FlipSSCScene
from .formatting import PackSSCInputs
from .grids import ApplyCameraOffset, MoveOriginToGrid, SetIntrinsics
from .loading import LoadDepthMaps, LoadPseudoLidar, LoadSSCImages, LoadVoxelLabels
from .photometric import JitterSSCColors
from .prepared_frame import LoadPreparedFrame
from .targets import FrustumTargets, MaskVoxelRange, PoolVoxelLabels
from .view_volumes import AddViewVolumes
from .visibility import LoadVisibilityMasks
from .volume_flips import FlipVolumes, TransposeVolumes

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
