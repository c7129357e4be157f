"""Average pooling of volumes as sums of shifted volumes."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmssc.geometry.tracing import has_values

__all__ = ['AveragePool3d', 'neighbourhood_mean']


class AveragePool3d(nn.AvgPool3d):
    """``nn.AvgPool3d`` that is fast for channels-last volumes on a CPU.

    Where stride and kernel are equal, it adds the slices of each axis in turn: PyTorch's own
    pooling takes 18 times as long (256 channels, 60 x 36 x 60 voxels).
    """

    def forward(self, input: Tensor) -> Tensor:
        """Map (B, C, X, Y, Z) to (B, C, X / stride, ...)."""
        strides = (self.stride,) * 3 if isinstance(self.stride, int) else self.stride
        is_plain = self.stride == self.kernel_size and not self.padding
        is_channels_last = input.is_contiguous(memory_format=torch.channels_last_3d)
        is_slow = input.device.type == 'cpu' and is_channels_last
        if not (is_slow and is_plain and _divides(strides, input)):
            return super().forward(input)
        if not torch.is_grad_enabled() or torch.jit.is_tracing() or not has_values():
            return _block_mean(input, tuple(strides))
        return _BlockMean.apply(input, tuple(strides))


class _BlockMean(torch.autograd.Function):
    """The gradient of each cell is written to its voxels at once, channels-last."""

    @staticmethod
    def forward(ctx: Any, volume: Tensor, strides: tuple[int, ...]) -> Tensor:
        ctx.shape, ctx.strides = volume.shape, strides
        return _block_mean(volume, strides)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        order = torch.channels_last_3d
        output = torch.empty(ctx.shape, dtype=grad.dtype, memory_format=order)
        cells, share = output, grad / math.prod(ctx.strides)
        for axis, stride in reversed(list(enumerate(ctx.strides, 2))):
            cells, share = cells.unflatten(axis, (-1, stride)), share.unsqueeze(axis + 1)
        cells.copy_(share)
        return output, None


def _block_mean(volume: Tensor, strides: tuple[int, ...]) -> Tensor:
    for axis, stride in enumerate(strides, 2):
        if stride > 1:
            parts = volume.unflatten(axis, (-1, stride)).unbind(axis + 1)
            volume = sum(parts[1:], parts[0]) / stride
    return volume


def _divides(strides: tuple[int, ...], volume: Tensor) -> bool:
    return not any(side % stride for side, stride in zip(volume.shape[2:], strides))


def neighbourhood_mean(volume: Tensor) -> Tensor:
    """Mean over the 3x3x3 neighbourhood of each voxel; voxels outside the volume count as 0.

    On a CPU three times as fast as ``avg_pool3d``, and the backward pass is the same operation.

    Args:
        volume: (B, C, X, Y, Z).

    Returns:
        (B, C, X, Y, Z).
    """
    if volume.device.type != 'cpu':
        return F.avg_pool3d(volume, 3, stride=1, padding=1, count_include_pad=True)
    return _NeighbourhoodMean.apply(volume)


class _NeighbourhoodMean(torch.autograd.Function):
    """The mean is symmetric: its gradient is the mean of the gradients."""

    @staticmethod
    def forward(ctx: Any, volume: Tensor) -> Tensor:
        for axis in (2, 3, 4):
            volume = _add_neighbours(volume, axis)
        return volume.div_(27)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return neighbourhood_mean(grad)


def _add_neighbours(volume: Tensor, axis: int) -> Tensor:
    """Each slice along an axis plus the slices before and after it."""
    total, others = volume.clone(), volume.shape[axis] - 1
    total.narrow(axis, 0, others).add_(volume.narrow(axis, 1, others))
    total.narrow(axis, 1, others).add_(volume.narrow(axis, 0, others))
    return total
