"""Layers shared by several methods."""

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
from .multi_scale_pooling import MultiScalePooling
from .norm import DistributedBN, build_norm, normalize_rows
from .semantic_diffusion import MPAC, ASPP3d, SemanticDiffusion
from .sparse_blocks import SparseGuidance, SparseResidualBlock
from .tsdf_encoder import TSDFEncoder
from .volume_augmentation import VolumeAugmentation, VolumeChange
from .volume_heads import (
    DilatedSegmentationHead,
    ResidualASPP3d,
    UpsamplingClassifier,
    VoxelClassifier,
)

__all__ = [
    'MPAC', 'ASPP3d', 'BEVUNet', 'ConvBlock3D', 'DDRBottleneck3D', 'DDRStage',
    'DilatedSegmentationHead', 'DistributedBN', 'MultiScalePooling', 'ResidualASPP3d',
    'SemanticDiffusion',
    'SparseGuidance', 'SparseResidualBlock', 'TSDFEncoder', 'TwoStageTrunk', 'TwoStageUNet',
    'UpsampleBlock3D', 'UpsamplingClassifier', 'VolumeAugmentation', 'VolumeChange',
    'VolumeClassifier', 'VoxelClassifier', 'build_norm', 'conv_stack',
    'normalize_rows',
]  # fmt: skip
