"""Convolutions of volumes by kernels of 3x3x3 voxels, in fewer multiplications on a CPU."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor, nn

from .autocast import computes_float32_on_cpu
from .own_gradients import convolve_with, takes_own_gradients

__all__ = ['CubeConv3d', 'convolve', 'cube_gradients', 'has_cubes', 'saves_products']

# A tile of four planes takes six products of planes for each tap of the other axes, not twelve
# (Winograd's F(4, 3) along the first axis). Of the points that were tried, these round best.
_POINTS = (0.0, 0.75, -0.75, 1.5, -1.5)
_OUTPUTS, _INPUTS = 4, 6
# With fewer channels or smaller volumes, the sums of planes take longer than they save.
_MIN_CHANNELS, _MIN_VOXELS = 64, 1 << 13
# Pixels of the images of one call: more take more memory, fewer more time for calls.
_BLOCK_PIXELS = 1 << 14
_ONES = (1, 1, 1)
_Sides = tuple[int, ...]


class CubeConv3d(nn.Conv3d):
    """``nn.Conv3d`` that is fast on channels-last volumes on a CPU; the same weights.

    With 64 channels or more, kernels of 3x3x3 voxels (stride 1, the padding equal to the dilation)
    take half of the multiplications. With fewer, oneDNN also computes the volumes that PyTorch
    computes in a slower way. Results differ by rounding only: with 64 to 128 channels and
    60 x 36 x 60 voxels, the root mean square error of the output is 1.3 times that of oneDNN, of
    the weight gradient a third.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Map (B, in_channels, X, Y, Z) to (B, out_channels, ...)."""
        if not self.is_fast(input):
            return super().forward(input)
        if takes_own_gradients(input, self.weight):
            gradients = partial(cube_gradients, dilation=self.dilation)
            run = partial(convolve, dilation=self.dilation)
            return convolve_with(gradients, run, input, self.weight, self.bias)
        return convolve(input, self.weight, self.bias, self.dilation)

    def is_fast(self, volume: Tensor) -> bool:
        """Whether this layer does not leave a volume (B, in_channels, X, Y, Z) to PyTorch."""
        return has_cubes(volume, self)


def has_cubes(volume: Tensor, conv: nn.Conv3d) -> bool:
    """Whether :func:`convolve` can compute ``conv(volume)``; without a copy of the volume.

    Args:
        volume: (B, in_channels, X, Y, Z).
        conv: The layer.
    """
    return (
        (conv.kernel_size, conv.stride, conv.padding) == ((3, 3, 3), _ONES, conv.dilation)
        and conv.groups == 1
        and conv.padding_mode == 'zeros'
        and computes_float32_on_cpu(volume, conv.weight)
        and bool(torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled)
        and volume.numel() > 0
        and volume.is_contiguous(memory_format=torch.channels_last_3d)
    )


def cube_gradients(
    grad: Tensor,
    volume: Tensor,
    weight: Tensor,
    wanted: tuple[bool, bool],
    dilation: _Sides = _ONES,
) -> tuple[Tensor | None, Tensor | None]:
    """Gradients of :func:`convolve`.

    Args:
        grad: (B, K, X, Y, Z), the gradient of the output.
        volume: (B, C, X, Y, Z), channels-last.
        weight: (K, C, 3, 3, 3).
        wanted: Whether the gradient of the volume, and that of the weight, is computed.
        dilation: As in :func:`convolve`.

    Returns:
        The gradient of the volume, channels-last, and that of the weight; None for the others.
    """
    grad = grad.contiguous(memory_format=torch.channels_last_3d)
    turned = weight.flip(2, 3, 4).transpose(0, 1)
    return (
        convolve(grad, turned, None, dilation) if wanted[0] else None,
        _weight_gradient(grad, volume, dilation) if wanted[1] else None,
    )


def convolve(
    volume: Tensor, weight: Tensor, bias: Tensor | None = None, dilation: _Sides = _ONES
) -> Tensor:
    """Convolution that keeps the size of the volume, without a gradient.

    Args:
        volume: (B, C, X, Y, Z), channels-last.
        weight: (K, C, 3, 3, 3).
        bias: (K,).
        dilation: Distance of the taps along each axis, and the padding.

    Returns:
        (B, K, X, Y, Z), channels-last.
    """
    if not saves_products(volume, len(weight), dilation[0]):
        output = torch.mkldnn_convolution(volume, weight, bias, dilation, _ONES, dilation, 1)
        return output.contiguous(memory_format=torch.channels_last_3d)
    expand, combine, spread = _matrices()
    # (6, out, in, 3, 3): kernels of images.
    kernels = torch.einsum('pk,oikyz->poiyz', expand.to(weight), weight)
    images = [one.contiguous(memory_format=torch.channels_last) for one in kernels]
    batch, _, *sides = volume.shape
    output = volume.new_empty(batch, *sides, len(weight))
    for rows, out in zip(volume.permute(0, 2, 3, 4, 1), output):
        parts = [part for one in _apart(out, dilation[0]) for part in one.split(_OUTPUTS)]
        for first, tiles in _blocks(_tiles(rows, _INPUTS, -1, dilation[0])):
            pairs = zip(_mixed(spread, tiles), images)
            products = torch.stack(
                [_image_conv(*pair, dilation[1:]).permute(0, 2, 3, 1) for pair in pairs]
            )
            for part, product in zip(parts[first:], products.unbind(1)):
                torch.mm(combine[: len(part)], product.flatten(1), out=part.flatten(1))
    if bias is not None:
        output += bias
    return output.permute(0, 4, 1, 2, 3)


def _weight_gradient(grad: Tensor, volume: Tensor, dilation: _Sides = _ONES) -> Tensor:
    step, spacing = dilation[0], dilation[1:]
    if not saves_products(volume, grad.shape[1], step):
        return _weight_gradient_by_planes(grad, volume, dilation)
    expand, combine, spread = _matrices()
    totals: list[Any] = [0] * _INPUTS
    for rows, tops in zip(volume.permute(0, 2, 3, 4, 1), grad.permute(0, 2, 3, 4, 1)):
        blocks = zip(
            _blocks(_tiles(tops, _OUTPUTS, 0, step)), _blocks(_tiles(rows, _INPUTS, -1, step))
        )
        for (_, top_tiles), (_, tiles) in blocks:
            pairs = zip(_mixed(combine.t(), top_tiles), _mixed(spread, tiles))
            totals = [total + _image_gradient(*pair, spacing) for total, pair in zip(totals, pairs)]
    return torch.einsum('pk,poiyz->oikyz', expand.to(grad), torch.stack(totals)).contiguous()


def _weight_gradient_by_planes(grad: Tensor, volume: Tensor, dilation: _Sides) -> Tensor:
    """The taps of the first axis one by one, all planes at once."""
    step, sides = dilation[0], volume.shape[2]
    taps = []
    for shift in (-step, 0, step):
        length = max(0, sides - abs(shift))
        starts = (max(0, shift), max(0, -shift)) if length else (0, 0)
        planes, tops = (
            one.narrow(2, start, length).transpose(1, 2).flatten(0, 1)
            for one, start in zip((volume, grad), starts)
        )
        taps.append(_image_gradient(tops, planes, dilation[1:]))
    return torch.stack(taps, 2)


def saves_products(volume: Tensor, out_channels: int, step: int = 1) -> bool:
    """Whether tiles take less time than a direct convolution.

    Args:
        volume: (B, C, X, Y, Z).
        out_channels: K.
        step: Dilation of the first axis.
    """
    channels = min(volume.shape[1], out_channels)
    is_long = step == 1 or volume.shape[2] >= step * _OUTPUTS
    return channels >= _MIN_CHANNELS and volume.shape[2:].numel() >= _MIN_VOXELS and is_long


def _apart(rows: Tensor, step: int) -> list[Tensor]:
    """Planes (X, ...) in groups of every ``step``-th one: a kernel with this dilation reads one."""
    return [rows[first::step] for first in range(min(step, len(rows)))]


def _tiles(rows: Tensor, length: int, first: int, step: int) -> Iterator[Tensor]:
    """Planes (length, Y, Z, C) for every four of (X, Y, Z, C), from plane ``first`` on.

    Planes outside of the volume are 0. With a ``step``, each group of :func:`_apart` has its own.
    """
    for group in _apart(rows, step):
        for start in range(first, len(group) + first, _OUTPUTS):
            low, high = max(0, start), min(len(group), start + length)
            if high - low == length:
                yield group[low:high]
            else:
                tile = rows.new_zeros(length, *rows.shape[1:])
                tile[low - start : high - start] = group[low:high]
                yield tile


def _blocks(tiles: Iterator[Tensor]) -> Iterator[tuple[int, list[Tensor]]]:
    """Tiles in groups that one call of oneDNN takes, with the number of the first one."""
    every = list(tiles)
    pixels = len(every) * every[0].shape[1:3].numel()
    step = math.ceil(len(every) / math.ceil(pixels / _BLOCK_PIXELS))
    for first in range(0, len(every), step):
        yield first, every[first : first + step]


def _mixed(matrix: Tensor, tiles: list[Tensor]) -> Tensor:
    """Sums of the planes of each tile, as images (M, tiles, C, Y, Z), for a matrix (M, N)."""
    mixed = matrix.new_empty(len(matrix), len(tiles), *tiles[0].shape[1:])
    for tile, sums in zip(tiles, mixed.flatten(2).unbind(1)):
        torch.mm(matrix, tile.flatten(1), out=sums)
    return mixed.permute(0, 1, 4, 2, 3)


def _image_conv(image: Tensor, kernel: Tensor, spacing: tuple[int, ...]) -> Tensor:
    return torch.mkldnn_convolution(image, kernel, None, spacing, (1, 1), spacing, 1)


def _image_gradient(grad: Tensor, images: Tensor, spacing: tuple[int, ...]) -> Tensor:
    """The gradient of a kernel (out, in, 3, 3) with this dilation and padding."""
    kernel = grad.new_zeros(grad.shape[1], images.shape[1], 3, 3)
    if grad.numel() == 0:
        return kernel
    options = (None, (1, 1), spacing, spacing, False, (0, 0), 1, (False, True, False))
    return torch.ops.aten.convolution_backward(grad, images, kernel, *options)[1]


@cache
def _matrices() -> tuple[Tensor, Tensor, Tensor]:
    """Kernel to products (6, 3) float64 · products to outputs (4, 6) · inputs to products (6, 6).

    A polynomial of degree 5 is known by its values at five points and its first coefficient. So is
    a product of polynomials; a convolution is the transposed map.
    """
    powers = torch.tensor([[point**k for k in range(_INPUTS)] for point in _POINTS])
    powers = torch.cat([powers, torch.eye(_INPUTS)[-1:]]).double()
    expand, combine = (
        torch.cat([powers[:-1, :side], torch.eye(side)[-1:]]) for side in (3, _OUTPUTS)
    )
    spread = torch.linalg.inv(powers).t()
    size = spread.abs().amax(1, keepdim=True)
    return expand * size, combine.t().float().contiguous(), (spread / size).float().contiguous()
