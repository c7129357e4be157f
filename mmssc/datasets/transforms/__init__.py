"""Transforms: every file of a sample is read here."""

from .cropping import CropSSCImages
from .formatting import PackSSCInputs
from .loading import LoadPseudoLidar, LoadSSCImages, LoadVoxelLabels
from .targets import MaskVoxelRange

__all__ = [
    'CropSSCImages',
    'LoadPseudoLidar',
    'LoadSSCImages',
    'LoadVoxelLabels',
    'MaskVoxelRange',
    'PackSSCInputs',
]
