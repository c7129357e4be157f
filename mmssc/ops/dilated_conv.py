"""Dilated convolution of volumes with a fast weight gradient on a CPU."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .cube_conv import convolve, cube_gradients, has_cubes, saves_products
from .onednn_conv import conv_by_onednn, leaves_onednn
from .own_gradients import convolve_with, takes_own_gradients

__all__ = ['DilatedConv3d', 'FlatVolumeConv3d']

# With fewer channels the copies of the planes take longer than they save.
_MIN_CHANNELS = 8


class DilatedConv3d(nn.Conv3d):
    """``nn.Conv3d`` that trains fast on a CPU.

    oneDNN's gradient of the weight takes twice as long if the first axis is dilated (32 channels,
    128 x 128 x 16 voxels: 155 and 76 ms). So this axis is split: with a dilation of d, every d-th
    plane belongs together, and such planes have a convolution without dilation.

    Kernels of 3x3x3 voxels with 64 channels or more take fewer multiplications, as in
    :class:`CubeConv3d`, in predictions and for both gradients. The forward pass of a training is
    PyTorch's own, because rounding changes the sign of some inputs of the next ReLU, and gradients
    jump.

    The gradient of the bias is exact, also without dilation: oneDNN adds up the voxels of a
    channels-last volume one after the other in float32.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Map (B, in_channels, X, Y, Z) to (B, out_channels, ...)."""
        in_tiles = has_cubes(input, self)
        in_tiles = in_tiles and saves_products(input, self.out_channels, self.dilation[0])
        if in_tiles and not torch.is_grad_enabled():
            return convolve(input, self.weight, self.bias, self.dilation)
        if not (in_tiles or self._splits()) or not takes_own_gradients(input, self.weight):
            return super().forward(input)
        options: dict[str, Any] = dict(padding=self.padding, dilation=self.dilation)
        gradients = partial(_both_gradients, **options)
        if in_tiles:
            gradients = partial(cube_gradients, dilation=self.dilation)
        run = partial(F.conv3d, **options)
        return convolve_with(gradients, run, input, self.weight, self.bias)

    def _splits(self) -> bool:
        return (
            (self.dilation[0] > 1 or self.bias is not None)
            and self.stride == (1, 1, 1)
            and self.groups == 1
            and self.in_channels >= _MIN_CHANNELS
            and self.padding_mode == 'zeros'
            and not isinstance(self.padding, str)
            and self.padding[0] % self.dilation[0] == 0
        )


class FlatVolumeConv3d(DilatedConv3d):
    """:class:`DilatedConv3d`, also fast for one sample with few channels or a short first side.

    Its rounding is not that of PyTorch's own way for them, see :class:`OneDNNConv3d`.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Map (B, in_channels, X, Y, Z) to (B, out_channels, ...)."""
        if leaves_onednn(input, self):
            return conv_by_onednn(input, self)
        return super().forward(input)


def _both_gradients(
    grad: Tensor,
    volume: Tensor,
    weight: Tensor,
    wanted: tuple[bool, bool],
    padding: tuple[int, int, int],
    dilation: tuple[int, int, int],
) -> tuple[Tensor | None, Tensor | None]:
    options = grad, volume, weight, padding, dilation
    if dilation[0] == 1:
        return _gradients(*options, (*wanted, False))[:2]
    return (
        _gradients(*options, (True, False, False))[0] if wanted[0] else None,
        _weight_gradient(*options) if wanted[1] else None,
    )


def _weight_gradient(
    grad: Tensor,
    volume: Tensor,
    weight: Tensor,
    padding: tuple[int, int, int],
    dilation: tuple[int, int, int],
) -> Tensor:
    """Sum over the groups of planes that belong together."""
    step = dilation[0]
    near, close = (padding[0] // step, *padding[1:]), (1, *dilation[1:])
    is_last = volume.is_contiguous(memory_format=torch.channels_last_3d)
    layout = torch.channels_last_3d if is_last else torch.contiguous_format
    total = torch.zeros_like(weight)
    for first in range(min(step, grad.shape[2], volume.shape[2])):
        grad_planes, planes = (
            part[:, :, first::step].contiguous(memory_format=layout) for part in (grad, volume)
        )
        wanted = (False, True, False)
        total += _gradients(grad_planes, planes, weight, near, close, wanted)[1]
    return total


def _gradients(
    grad: Tensor,
    volume: Tensor,
    weight: Tensor,
    padding: tuple[int, int, int],
    dilation: tuple[int, int, int],
    wanted: tuple[bool, bool, bool],
) -> tuple[Tensor, Tensor, Tensor]:
    return torch.ops.aten.convolution_backward(
        grad, volume, weight, None, (1, 1, 1), padding, dilation, False, (0, 0, 0), 1, wanted
    )
