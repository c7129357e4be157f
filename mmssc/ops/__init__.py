"""Accelerated operations, each with a plain PyTorch version."""

from .backends import PLAIN_OPS, plain_ops_only
from .deform_attn import MultiScaleDeformableAttention, deformable_attention
from .deform_conv import DeformConv2d, deform_conv2d
from .onednn import (
    channels_last_on_cpu,
    linear,
    pointwise_conv,
    prefer_onednn,
    prefer_onednn_in_gradients,
)
from .own_gradients import dense_gradient
from .scatter import group_count, group_max, group_mean, torch_scatter_available
from .sparse_conv import SparseIndex, SubMConv3d, spconv_available, submanifold_conv3d

__all__ = [
    'MultiScaleDeformableAttention', 'PLAIN_OPS', 'SparseIndex', 'SubMConv3d',
    'channels_last_on_cpu', 'deformable_attention', 'group_count', 'group_max', 'group_mean',
    'linear', 'plain_ops_only', 'pointwise_conv', 'prefer_onednn', 'prefer_onednn_in_gradients',
    'DeformConv2d', 'deform_conv2d', 'dense_gradient', 'spconv_available', 'submanifold_conv3d',
    'torch_scatter_available',
]  # fmt: skip
