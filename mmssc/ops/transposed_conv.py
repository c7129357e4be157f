"""Transposed convolution of volumes with a fast weight gradient on a CPU."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmssc.geometry.tracing import has_values

from .autocast import autocast_dtype
from .onednn import linear
from .own_gradients import convolve_with

__all__ = ['TransposedConv3d']

# Of the output's gradient: larger ones are read in pieces.
_PIECE_BYTES = 1 << 28


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
        pieces = [
            F.conv3d(slab, weight, None, stride, (rest, *padding[1:]), dilation, groups)
            for slab, rest in _slabs(grad, input.shape[2], weight.shape[2], options)
        ]
        to_input = torch.cat(pieces, 2) if len(pieces) > 1 else pieces[0]
    if wanted[1] and stride[0] > 1:
        to_weight = _weight_gradient(input, grad, weight, stride, padding, dilation)
    elif wanted[1]:
        # Without a stride along the first axis, oneDNN is faster (83 and 92 ms).
        _, to_weight, _ = torch.ops.aten.convolution_backward(
            grad, input, weight, None, stride, padding, dilation, True, output_padding, groups,
            (False, True, False),
        )  # fmt: skip
    return to_input, to_weight


def _slabs(grad: Tensor, length: int, taps: int, options: tuple) -> Iterator[tuple[Tensor, int]]:
    """Pieces of the gradient along the first axis, each with the padding that it still needs.

    oneDNN copies what it gets into an order of its own: of a large volume, only a piece at a time.

    Args:
        grad: (B, out_channels, X', Y', Z').
        length: X of the input.
        taps: Kernel size of the first axis.
        options: Of the transposed convolution.
    """
    strides, paddings, _, _, dilations = options
    step, padding, dilation = strides[0], paddings[0], dilations[0]
    planes = _planes_at_a_time(grad, length)
    if planes >= length:
        yield grad, padding
        return
    for first in range(0, length, planes):
        low = first * step - padding
        high = (min(first + planes, length) - 1) * step - padding + dilation * (taps - 1) + 1
        start, stop = (min(max(0, end), grad.shape[2]) for end in (low, high))
        # A slab may lie outside as a whole, if the padding is larger than the kernel.
        missing = min(max(0, -low), high - low), min(max(0, high - grad.shape[2]), high - low)
        slab = grad[:, :, start:stop]
        yield F.pad(slab, (0, 0, 0, 0, *missing)) if any(missing) else slab, 0


def _planes_at_a_time(grad: Tensor, length: int) -> int:
    """Of ``length`` planes, so that those of the gradient do not take more than the limit."""
    return max(1, length * _PIECE_BYTES // (grad.numel() * grad.element_size()))


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
        size = _planes_at_a_time(grad, input.shape[2])
        pairs = zip(input[:, :, first:stop].split(size, 2), written.split(size, 2))
        kernel, options = weight.select(2, tap), (stride[1:], padding[1:], dilation[1:])
        pieces = [_image_gradient(*pair, kernel, options) for pair in pairs]
        taps.append(torch.stack(pieces).sum(0) if len(pieces) > 1 else pieces[0])
    return torch.stack(taps, 2)


def _image_gradient(tops: Tensor, planes: Tensor, kernel: Tensor, options: tuple) -> Tensor:
    """Gradient of the kernel from pairs of planes (B, C, X, Y, Z), as images."""
    tops, planes = (
        part.transpose(1, 2).flatten(0, 1).contiguous(memory_format=torch.channels_last)
        for part in (tops, planes)
    )
    rest = False, (0, 0), 1, (False, True, False)
    return torch.ops.aten.convolution_backward(tops, planes, kernel, None, *options, *rest)[1]
