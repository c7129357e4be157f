"""Convolutions of volumes whose kernel is one voxel or a line, computed in two dimensions."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmssc.geometry.tracing import has_values

from .autocast import autocast_dtype

__all__ = ['LineConv3d', 'has_line_kernel', 'line_conv', 'takes_hint']

# Channels that oneDNN computes together.
_BLOCK = 16


class LineConv3d(nn.Conv3d):
    """``nn.Conv3d`` with :func:`line_conv` where that is possible; the same weights and results.

    In bfloat16 this is more than speed: gradients of three-dimensional kernels along x were wrong
    now and then for channels-last volumes (oneDNN of torch 2.13).
    """

    def forward(self, input: Tensor) -> Tensor:
        """Map (B, in_channels, X, Y, Z) to (B, out_channels, ...)."""
        output = line_conv(input, self) if has_line_kernel(self) else None
        return super().forward(input) if output is None else output


def has_line_kernel(conv: nn.Conv3d) -> bool:
    """Whether all axes but one have kernel and stride 1 and no padding."""
    if conv.padding_mode != 'zeros' or isinstance(conv.padding, str):
        return False
    settings = list(zip(conv.kernel_size, conv.stride, conv.padding))
    del settings[_axis(conv)]
    return settings == [(1, 1, 0)] * 2


def line_conv(x: Tensor, conv: nn.Conv3d) -> Tensor | None:
    """``conv(x)`` of a channels-last volume on the CPU, as a convolution of images.

    The other axes of the volume join the batch or each other, without a copy. So PyTorch takes
    oneDNN for volumes of all sizes: it computes the small ones of batch size 1 in another way,
    which is three times slower and leaves the channels-last order. Gradients of strided and dilated
    kernels are up to five times as fast.

    Args:
        x: (B, C, X, Y, Z).
        conv: A layer with :func:`has_line_kernel`.

    Returns:
        (B, out_channels, ...), channels-last; None if this is no way for ``x``: another device,
        another order in memory, or a traced program.
    """
    if x.device.type != 'cpu' or torch.jit.is_tracing() or not has_values():
        return None
    if x.dim() != 5 or not x.numel():
        return None
    if not x.is_contiguous(memory_format=torch.channels_last_3d):
        return None
    assert not isinstance(conv.padding, str)
    axis = _axis(conv)
    batch, channels, *sides = x.shape
    x_side, y_side, z_side = sides
    shape = ((batch, x_side, -1), (batch * x_side, y_side, z_side), (batch, -1, z_side))[axis]
    images = x.permute(0, 2, 3, 4, 1).view(*shape, channels).permute(0, 3, 1, 2)
    stride, padding = conv.stride[axis], conv.padding[axis]
    dilation = conv.dilation[axis]
    is_last = axis == 2
    kernel = conv.weight.flatten(2).unsqueeze(2 if is_last else 3)
    if conv.groups == 1 and dilation > 1 and not is_last and _trains_in_bfloat16(x):
        # On CPUs with bfloat16, oneDNN's gradient of the weight of a kernel that is dilated along
        # the first axis is wrong or NaN if the last block of channels is not full.
        spare = (0, 0, 0, 0, 0, -channels % _BLOCK)
        images, kernel = F.pad(images, spare), F.pad(kernel, spare)
    if conv.kernel_size[axis] == 1 and takes_hint(x):
        dilation = 2  # Changes nothing; see pointwise_conv.
    output = F.conv2d(
        images,
        kernel,
        conv.bias,
        _pair(stride, 1, is_last),
        _pair(padding, 0, is_last),
        _pair(dilation, 1, is_last),
        conv.groups,
    )
    sides[axis] = output.shape[3 if is_last else 2]
    rows = output.permute(0, 2, 3, 1)
    return rows.reshape(batch, *sides, -1).permute(0, 4, 1, 2, 3)


def takes_hint(x: Tensor) -> bool:
    """Whether a dilation without effect makes PyTorch take oneDNN; in bfloat16 it always does."""
    return x.device.type == 'cpu' and x.dtype == torch.float32 and autocast_dtype('cpu') is None


def _trains_in_bfloat16(x: Tensor) -> bool:
    return torch.is_grad_enabled() and (autocast_dtype('cpu') or x.dtype) == torch.bfloat16


def _pair(value: int, other: int, is_last: bool) -> tuple[int, int]:
    return (other, value) if is_last else (value, other)


def _axis(conv: nn.Conv3d) -> int:
    """The axis of the line, 0 for one voxel."""
    extents = list(zip(conv.kernel_size, conv.stride))
    return extents.index(max(extents))
