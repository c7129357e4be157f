"""Average pooling of volumes as sums of shifted volumes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from mmssc.geometry.tracing import has_values

__all__ = ['AveragePool3d', 'fill_zeros', 'neighbourhood_mean']

# Voxels of a neighbourhood.
_CELLS = 27


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
    if not _takes_planes(volume):
        return F.avg_pool3d(volume, 3, stride=1, padding=1, count_include_pad=True)
    return _NeighbourhoodMean.apply(volume)


def fill_zeros(volume: Tensor) -> Tensor:
    """Add :func:`neighbourhood_mean` to every element that is exactly 0.

    On a CPU the planes of the volume pass through the cache of a core once, and one byte an element
    is stored for the gradient. It cannot be differentiated a second time.

    Args:
        volume: (B, C, X, Y, Z).

    Returns:
        (B, C, X, Y, Z).
    """
    if not _takes_planes(volume):
        return volume + torch.where(volume == 0, neighbourhood_mean(volume), 0.0)
    return _FillZeros.apply(volume)


class _NeighbourhoodMean(torch.autograd.Function):
    """The mean is symmetric: its gradient is the mean of the gradients."""

    @staticmethod
    def forward(ctx: Any, volume: Tensor) -> Tensor:
        output = torch.empty_like(volume)
        for total, out in zip(_sums(volume.unbind(2)), output.unbind(2)):
            torch.div(total, _CELLS, out=out)
        return output

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return neighbourhood_mean(grad)


class _FillZeros(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, volume: Tensor) -> Tensor:
        output, zeros = torch.empty_like(volume), volume == 0
        ctx.save_for_backward(zeros)
        planes = volume.unbind(2)
        for plane, total, zero, out in zip(
            planes, _sums(planes), zeros.unbind(2), output.unbind(2)
        ):
            torch.addcmul(plane, total, zero.to(plane.dtype), value=1 / _CELLS, out=out)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (zeros,) = ctx.saved_tensors
        output, planes = torch.empty_like(grad), grad.unbind(2)
        filled = (zero.to(grad.dtype).mul_(plane) for zero, plane in zip(zeros.unbind(2), planes))
        for plane, total, out in zip(planes, _sums(filled), output.unbind(2)):
            torch.add(plane, total, alpha=1 / _CELLS, out=out)
        return output


def _takes_planes(volume: Tensor) -> bool:
    return volume.device.type == 'cpu' and not torch.jit.is_tracing() and has_values()


def _sums(planes: Iterable[Tensor]) -> Iterator[Tensor]:
    """For each plane (B, C, Y, Z), the sums over the neighbourhoods of its voxels."""
    window: list[Tensor] = []
    for plane in planes:
        for axis in (2, 3):
            plane = _add_neighbours(plane, axis)
        window = [*window[-2:], plane]
        if len(window) > 1:
            yield _total(window)
    yield _total(window[-2:])


def _total(planes: list[Tensor]) -> Tensor:
    total = planes[0].clone() if len(planes) == 1 else planes[0] + planes[1]
    for plane in planes[2:]:
        total += plane
    return total


def _add_neighbours(plane: Tensor, axis: int) -> Tensor:
    """Each slice along an axis plus the slices before and after it."""
    total, others = plane.clone(), plane.shape[axis] - 1
    total.narrow(axis, 0, others).add_(plane.narrow(axis, 1, others))
    total.narrow(axis, 1, others).add_(plane.narrow(axis, 0, others))
    return total
