"""Transforms: every file of a sample is read here."""

from .cropping import CropSSCImages
from .flipping import FlipSSCImages, FlipSSCScene
from .formatting import PackSSCInputs
from .loading import LoadDepthMaps, LoadPseudoLidar, LoadSSCImages, LoadVoxelLabels
from .photometric import JitterSSCColors
from .prepared_frame import LoadPreparedFrame
from .targets import FrustumTargets, MaskVoxelRange, PoolVoxelLabels

__all__ = [
    'CropSSCImages',
    'FlipSSCImages',
    'FlipSSCScene',
    'FrustumTargets',
    'JitterSSCColors',
    'LoadDepthMaps',
    'LoadPreparedFrame',
    'LoadPseudoLidar',
    'LoadSSCImages',
    'LoadVoxelLabels',
    'MaskVoxelRange',
    'PackSSCInputs',
    'PoolVoxelLabels',
]
