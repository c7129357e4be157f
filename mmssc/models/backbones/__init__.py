"""Encoders of images, volumes and segmentations."""

from .light_unet import LightUNet, PointwiseConv3D, VoxelStem
from .mit import MiT
from .plane_unet import PlaneUNet
from .segmentation_encoder import SegmentationEncoder, lift_segmentation
from .sscnet_trunk import SSCNetTrunk
from .tsdf_encoder import TSDFEncoder

__all__ = [
    'LightUNet', 'MiT', 'PlaneUNet', 'PointwiseConv3D', 'SSCNetTrunk', 'SegmentationEncoder',
    'TSDFEncoder', 'VoxelStem', 'lift_segmentation',
]  # fmt: skip
