"""Transforms: every file of a sample is read here."""

from .cropping import CropSSCImages
from .formatting import PackSSCInputs
from .loading import LoadDepthMaps, LoadPseudoLidar, LoadSSCImages, LoadVoxelLabels
from .targets import MaskVoxelRange

__all__ = [
    'CropSSCImages',
    'LoadDepthMaps',
    'LoadPseudoLidar',
    'LoadSSCImages',
    'LoadVoxelLabels',
    'MaskVoxelRange',
    'PackSSCInputs',
]
