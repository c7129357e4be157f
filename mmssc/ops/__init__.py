"""Accelerated operations, each with a plain-PyTorch twin."""

from .scatter import group_count, group_max, group_mean, torch_scatter_available
from .sparse_conv import SparseIndex, SubMConv3d, spconv_available, submanifold_conv3d

__all__ = [
    'SparseIndex', 'SubMConv3d', 'group_count', 'group_max', 'group_mean', 'spconv_available',
    'submanifold_conv3d', 'torch_scatter_available',
]  # fmt: skip
