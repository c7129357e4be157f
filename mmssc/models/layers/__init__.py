"""Layers that more than one method uses."""

from mmssc.ops.dilated_conv import FlatVolumeConv3d

from .axis_arguments import along_axis
from .bev_unet import BEVUNet
from .ddr import (
    ConvBlock3D,
    DDRBottleneck3D,
    DDRStage,
    TwoStageTrunk,
    TwoStageUNet,
    UpsampleBlock3D,
    VolumeClassifier,
    conv_stack,
)
from .norm import (
    DistributedBN,
    build_norm,
    classify_activated,
    normalize_rows,
    with_exact_norms,
)
from .recompute import recompute_in_backward
from .upsampling_classifier import UpsamplingClassifier
from .volume_augmentation import VolumeAugmentation, VolumeChange
from .volume_heads import (
    DilatedSegmentationHead,
    OccupancySegmentationHead,
    ResidualASPP3d,
    VoxelClassifier,
)
from .weight_init import kaiming_init_convs

__all__ = [
    'BEVUNet', 'ConvBlock3D', 'DDRBottleneck3D', 'DDRStage', 'DilatedSegmentationHead',
    'DistributedBN', 'FlatVolumeConv3d', 'OccupancySegmentationHead', 'ResidualASPP3d',
    'TwoStageTrunk', 'TwoStageUNet', 'UpsampleBlock3D',
    'UpsamplingClassifier', 'VolumeAugmentation', 'VolumeChange', 'VolumeClassifier',
    'VoxelClassifier', 'along_axis', 'build_norm', 'classify_activated', 'conv_stack',
    'kaiming_init_convs', 'normalize_rows', 'recompute_in_backward', 'with_exact_norms',
]  # fmt: skip
