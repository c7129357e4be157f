"""Small heads on volumes and voxel rows."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmssc.ops.dilated_conv import DilatedConv3d, FlatVolumeConv3d

from .memory_layout import fast_layout
from .norm import build_norm
from .recompute import recompute_in_backward

__all__ = [
    'DilatedSegmentationHead', 'OccupancySegmentationHead', 'ResidualASPP3d',
    'VoxelClassifier',
]  # fmt: skip

_BN = dict(type='BN')


class ResidualASPP3d(nn.Module):
    """Parallel dilated residual branches: ReLU of the input plus the sum of the branches.

    Each branch is convolution, normalisation, ReLU, convolution, normalisation. The convolutions
    are 3x3x3 without bias (MonoScene, Symphonies, LMSCNet's segmentation head).

    Args:
        channels: Number of channels.
        dilations: Dilation of each branch.
        norm_cfg: Normalisation of the volumes.
        with_cp: Recompute the branches in the backward pass instead of storing their tensors.
    """

    def __init__(
        self,
        channels: int,
        dilations: tuple[int, ...] = (1, 2, 3),
        norm_cfg: dict[str, Any] = _BN,
        with_cp: bool = False,
    ) -> None:
        super().__init__()
        self.with_cp = with_cp
        self.branches = _dilated_branches(DilatedConv3d, channels, dilations, norm_cfg)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels, X, Y, Z) to the same shape."""
        return _add_branches(x, self.branches, self.with_cp)


class _DilatedTrunk(nn.Module):
    """The branches of :class:`ResidualASPP3d` on a one-channel volume (LMSCNet)."""

    def __init__(self, channels: int, norm_cfg: dict[str, Any], dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.branches = _dilated_branches(FlatVolumeConv3d, channels, dilations, norm_cfg)
        self.conv_in = FlatVolumeConv3d(1, channels, 3, padding=1)

    def extract(self, volume: Tensor) -> Tensor:
        """Map (B, 1, ...) to features (B, channels, ...)."""
        # On a CPU, PyTorch gives a small volume of one channel back in the other order.
        return _add_branches(fast_layout(F.relu(self.conv_in(volume))), self.branches)


class DilatedSegmentationHead(_DilatedTrunk):
    """LMSCNet's segmentation head, as in SGN: occupancy logits and guidance features.

    Args:
        channels: Number of channels.
        norm_cfg: Normalisation of the volumes.
        dilations: Dilation of each branch.
    """

    conv_norm_pairs = (('guidance_conv', 'guidance_norm'),)

    def __init__(
        self, channels: int, norm_cfg: dict[str, Any], dilations: tuple[int, ...] = (1, 2, 3)
    ) -> None:
        super().__init__(channels, norm_cfg, dilations)
        self.guidance_conv = FlatVolumeConv3d(channels, channels, 3, padding=1)
        self.guidance_norm = build_norm(norm_cfg, channels, 3)
        self.classifier = FlatVolumeConv3d(channels, 1, 3, padding=1)

    def forward(self, volume: Tensor) -> tuple[Tensor, Tensor]:
        """Map (B, 1, ...) to logits (B, 1, ...) and guidance features (B, channels, ...)."""
        x = self.extract(volume)
        return self.classifier(x), F.relu(self.guidance_norm(self.guidance_conv(x)))


class OccupancySegmentationHead(_DilatedTrunk):
    """LMSCNet's segmentation head: class logits from a one-channel volume.

    Args:
        num_classes: Number of classes K.
        channels: Number of channels.
        norm_cfg: Normalisation of the volumes.
        dilations: Dilation of each branch.
    """

    def __init__(
        self,
        num_classes: int,
        channels: int = 8,
        norm_cfg: dict[str, Any] = _BN,
        dilations: tuple[int, ...] = (1, 2, 3),
    ) -> None:
        super().__init__(channels, norm_cfg, dilations)
        self.classifier = FlatVolumeConv3d(channels, num_classes, 3, padding=1)

    def forward(self, volume: Tensor) -> Tensor:
        """Map (B, 1, X, Y, Z) to logits (B, K, X, Y, Z)."""
        return self.classifier(self.extract(volume))


class _DilatedBranch(nn.Module):
    conv_norm_pairs = (('conv1', 'norm1'), ('conv2', 'norm2'))

    def __init__(
        self, conv_type: type[nn.Conv3d], channels: int, dilation: int, norm_cfg: dict[str, Any]
    ) -> None:
        super().__init__()
        conv = partial(
            conv_type, channels, channels, 3, padding=dilation, dilation=dilation, bias=False
        )
        self.conv1 = conv()
        self.norm1 = build_norm(norm_cfg, channels, 3)
        self.conv2 = conv()
        self.norm2 = build_norm(norm_cfg, channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        # A third of the memory of the branch for the time of the normalisation.
        return self.norm2(recompute_in_backward(self, x, function=self._activate_and_convolve))

    def _activate_and_convolve(self, x: Tensor) -> Tensor:
        return self.conv2(F.relu(self.norm1(x), inplace=True))


def _dilated_branches(
    conv_type: type[nn.Conv3d], channels: int, dilations: tuple[int, ...], norm_cfg: dict[str, Any]
) -> nn.ModuleList:
    return nn.ModuleList(
        _DilatedBranch(conv_type, channels, dilation, norm_cfg) for dilation in dilations
    )


def _add_branches(x: Tensor, branches: nn.ModuleList, with_cp: bool = False) -> Tensor:
    """ReLU of the input plus the sum of the branches."""
    outputs = (recompute_in_backward(branch, x) if with_cp else branch(x) for branch in branches)
    # In place: neither normalisation nor a sum needs its result for the gradient.
    total = next(outputs)
    for output in outputs:
        total += output
    return F.relu(x + total, inplace=True)


class VoxelClassifier(nn.Module):
    """LayerNorm and a linear layer per voxel.

    Args:
        channels: Input channels.
        num_classes: Number of classes K.
        chunk_size: Rows per step if no gradient is needed; the result is the same.
    """

    def __init__(self, channels: int, num_classes: int, chunk_size: int = 1 << 18) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.classifier = nn.Linear(channels, num_classes)
        self.chunk_size = chunk_size

    def forward(self, rows: Tensor) -> Tensor:
        """Map (N, channels) to logits (N, K)."""
        if torch.is_grad_enabled() or len(rows) <= self.chunk_size:
            return self.classifier(self.norm(rows))
        parts = rows.split(self.chunk_size)
        return torch.cat([self.classifier(self.norm(part)) for part in parts])
