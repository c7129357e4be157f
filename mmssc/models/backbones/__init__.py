"""Encoders of images, volumes and segmentations."""

from .light_unet import LightUNet, PointwiseConv3D, VoxelStem
from .mit import MiT
from .segmentation_encoder import SegmentationEncoder, lift_segmentation
from .tsdf_encoder import TSDFEncoder

__all__ = [
    'LightUNet', 'MiT', 'PointwiseConv3D', 'SegmentationEncoder', 'TSDFEncoder', 'VoxelStem',
    'lift_segmentation',
]  # fmt: skip
