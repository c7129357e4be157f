"""Encoders of images, volumes, segmentations and points."""

from .light_plane_unet import LightPlaneUNet
from .light_unet import LightUNet, PointwiseConv3D, VoxelStem
from .mit import MiT
from .plane_unet import PlaneUNet
from .point_volume_encoder import PointCellEncoder, PointVolumeEncoder
from .segmentation_encoder import SegmentationEncoder, lift_segmentation
from .sscnet_trunk import SSCNetTrunk
from .tsdf_encoder import TSDFEncoder
from .volume_resnet import VolumeResNet

__all__ = [
    'LightPlaneUNet', 'LightUNet', 'MiT', 'PlaneUNet', 'PointwiseConv3D', 'SSCNetTrunk',
    'SegmentationEncoder', 'TSDFEncoder', 'VoxelStem', 'lift_segmentation', 'PointCellEncoder',
    'PointVolumeEncoder', 'VolumeResNet',
]  # fmt: skip
