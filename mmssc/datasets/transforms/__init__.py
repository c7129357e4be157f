"""Transforms: every file of a sample is read here."""

from .cropping import CropSSCImages
from .formatting import PackSSCInputs
from .loading import LoadDepthMaps, LoadPseudoLidar, LoadSSCImages, LoadVoxelLabels
from .prepared_frame import LoadPreparedFrame
from .targets import FrustumTargets, MaskVoxelRange

__all__ = [
    'CropSSCImages',
    'FrustumTargets',
    'LoadDepthMaps',
    'LoadPreparedFrame',
    'LoadPseudoLidar',
    'LoadSSCImages',
    'LoadVoxelLabels',
    'MaskVoxelRange',
    'PackSSCInputs',
]
