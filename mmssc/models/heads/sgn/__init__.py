"""Heads of SGN and the layers that only they use."""

from mmssc.models.layers.bev_unet import BEVUNet

from .multi_scale_pooling import MultiScalePooling
from .point_occupancy_head import PointOccupancyHead
from .semantic_diffusion import MPAC, ASPP3d, SemanticDiffusion
from .sgn_head import SGNHead
from .sparse_blocks import SparseGuidance, SparseResidualBlock

__all__ = [
    'MPAC', 'ASPP3d', 'BEVUNet', 'MultiScalePooling', 'PointOccupancyHead', 'SGNHead',
    'SemanticDiffusion', 'SparseGuidance', 'SparseResidualBlock',
]  # fmt: skip
