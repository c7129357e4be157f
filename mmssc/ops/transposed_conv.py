"""Transposed convolution of volumes with a fast weight gradient on a CPU."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmssc.geometry.tracing import has_values

from .autocast import autocast_dtype
from .onednn import linear
from .own_gradients import convolve_with

__all__ = ['TransposedConv3d']


class TransposedConv3d(nn.ConvTranspose3d):
    """``nn.ConvTranspose3d`` that trains fast on channels-last volumes on a CPU.

    oneDNN's gradient of the weight takes 1.2 s on channels-last volumes (256 to 256 channels, 30 x
    18 x 30 to 60 x 36 x 60 voxels) and 0.5 s on others, but the forward pass 0.3 s and 0.5 s. So
    this gradient is computed in two dimensions, also in mixed precision. If the cells do not
    overlap, the layer is one matrix product.
    """

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Map (B, in_channels, X, Y, Z) to (B, out_channels, s X, s Y, s Z)."""
        is_plain = output_size is None and input.device.type == 'cpu' and self.groups == 1
        if is_plain and self._has_apart_cells() and not torch.jit.is_tracing() and has_values():
            return self._multiply(input)
        is_plain &= all(added < step for added, step in zip(self.output_padding, self.stride))
        if not is_plain or not torch.is_grad_enabled():
            return super().forward(input, output_size)
        dtype = autocast_dtype('cpu') or input.dtype
        bias = None if self.bias is None else self.bias.to(dtype)
        options = (self.stride, self.padding, self.output_padding, self.groups, self.dilation)
        with torch.autocast('cpu', enabled=False):
            return convolve_with(
                partial(_gradients, options=options),
                partial(_convolve, options),
                input.to(dtype),
                self.weight.to(dtype),
                bias,
            )

    def _has_apart_cells(self) -> bool:
        """Whether each output voxel comes from one input voxel."""
        rest = (*self.padding, *self.output_padding, *(one - 1 for one in self.dilation))
        return self.kernel_size == self.stride and not any(rest)

    def _multiply(self, input: Tensor) -> Tensor:
        """Each voxel times a matrix gives the voxels of its block; the result is channels-last."""
        cells = self.kernel_size[0] * self.kernel_size[1] * self.kernel_size[2]
        matrix = self.weight.permute(2, 3, 4, 1, 0).flatten(0, 3)
        bias = None if self.bias is None else self.bias.repeat(cells)
        blocks = linear(input.permute(0, 2, 3, 4, 1), matrix, bias)
        blocks = blocks.unflatten(4, (*self.kernel_size, -1)).permute(0, 7, 1, 4, 2, 5, 3, 6)
        last = blocks.movedim(1, -1).contiguous()
        return last.flatten(5, 6).flatten(3, 4).flatten(1, 2).movedim(-1, 1)


def _convolve(options: tuple, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return F.conv_transpose3d(input, weight, bias, *options)


def _gradients(
    grad: Tensor, input: Tensor, weight: Tensor, wanted: tuple[bool, bool], options: tuple
) -> tuple[Tensor | None, Tensor | None]:
    stride, padding, output_padding, groups, dilation = options
    to_input = to_weight = None
    if wanted[0]:
        to_input = F.conv3d(grad, weight, None, stride, padding, dilation, groups)
    if wanted[1] and stride[0] > 1:
        to_weight = _weight_gradient(input, grad, weight, stride, padding, dilation)
    elif wanted[1]:
        # Without a stride along the first axis, oneDNN is faster (83 and 92 ms).
        _, to_weight, _ = torch.ops.aten.convolution_backward(
            grad, input, weight, None, stride, padding, dilation, True, output_padding, groups,
            (False, True, False),
        )  # fmt: skip
    return to_input, to_weight


def _weight_gradient(
    input: Tensor,
    grad: Tensor,
    weight: Tensor,
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
) -> Tensor:
    """Tap by tap of the first axis: a gradient of images, all planes at once.

    A transposed convolution is the gradient of a convolution that reads ``grad``.
    """
    taps = []
    for tap in range(weight.shape[2]):
        shift = tap * dilation[0] - padding[0]
        first = max(0, -(shift // stride[0]))
        last = (grad.shape[2] - 1 - shift) // stride[0]
        stop = max(first, min(input.shape[2], last + 1))
        start = first * stride[0] + shift
        written = grad[:, :, start : start + (stop - first) * stride[0] : stride[0]]
        tops, planes = (
            part.transpose(1, 2).flatten(0, 1).contiguous(memory_format=torch.channels_last)
            for part in (input[:, :, first:stop], written)
        )
        options = (stride[1:], padding[1:], dilation[1:], False, (0, 0), 1, (False, True, False))
        kernel = weight.select(2, tap)
        taps.append(torch.ops.aten.convolution_backward(tops, planes, kernel, None, *options)[1])
    return torch.stack(taps, 2)
