"""Layers shared by several methods."""

from .bev_unet import BEVUNet
from .checkpointing import recompute_in_backward
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
from .deform_transformer import (
    DeformableTransformerLayer,
    SqueezedDeformableLayer,
    TransformerLayer,
)
from .feature_modulation import FeatureModulation
from .light_unet import LightUNet, PointwiseConv3D, VoxelStem
from .multi_scale_pooling import MultiScalePooling
from .norm import DistributedBN, build_norm, normalize_rows
from .scene_classifier import SceneClassifier, TransposedConvBlock3D
from .scene_position import ScenePosition
from .segmentation_encoder import SegmentationEncoder, lift_segmentation
from .semantic_diffusion import MPAC, ASPP3d, SemanticDiffusion
from .space_to_depth import depth_to_space, space_to_depth
from .sparse_blocks import SparseGuidance, SparseResidualBlock
from .tsdf_encoder import TSDFEncoder
from .volume_augmentation import VolumeAugmentation, VolumeChange
from .volume_discriminator import VolumeDiscriminator
from .volume_heads import (
    DilatedSegmentationHead,
    FlatVolumeConv3d,
    ResidualASPP3d,
    UpsamplingClassifier,
    VoxelClassifier,
)

__all__ = [
    'MPAC', 'ASPP3d', 'BEVUNet', 'ConvBlock3D', 'DDRBottleneck3D', 'DDRStage',
    'DeformableTransformerLayer', 'DilatedSegmentationHead', 'DistributedBN', 'FlatVolumeConv3d',
    'FeatureModulation', 'LightUNet', 'MultiScalePooling', 'PointwiseConv3D', 'ResidualASPP3d',
    'SceneClassifier', 'ScenePosition', 'SegmentationEncoder', 'SemanticDiffusion',
    'SparseGuidance', 'SparseResidualBlock', 'SqueezedDeformableLayer', 'TSDFEncoder',
    'TransformerLayer', 'TransposedConvBlock3D', 'TwoStageTrunk', 'TwoStageUNet',
    'UpsampleBlock3D', 'UpsamplingClassifier', 'VolumeAugmentation', 'VolumeChange',
    'VolumeClassifier', 'VolumeDiscriminator', 'VoxelClassifier', 'VoxelStem', 'build_norm',
    'conv_stack', 'depth_to_space', 'lift_segmentation', 'normalize_rows',
    'recompute_in_backward', 'space_to_depth',
]  # fmt: skip
