"""Layers shared by several methods."""

from .bev_unet import BEVUNet
from .multi_scale_pooling import MultiScalePooling
from .norm import DistributedBN, build_norm, normalize_rows
from .semantic_diffusion import MPAC, ASPP3d, SemanticDiffusion
from .sparse_blocks import SparseGuidance, SparseResidualBlock
from .volume_heads import DilatedSegmentationHead, UpsamplingClassifier, VoxelClassifier

__all__ = [
    'MPAC', 'ASPP3d', 'BEVUNet', 'DilatedSegmentationHead', 'DistributedBN', 'MultiScalePooling',
    'SemanticDiffusion', 'SparseGuidance', 'SparseResidualBlock', 'UpsamplingClassifier',
    'VoxelClassifier', 'build_norm', 'normalize_rows',
]  # fmt: skip
