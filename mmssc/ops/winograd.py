"""3x3 convolutions of images by Winograd's F(2x2, 3x3), for many channels on a CPU.

A tile of 2x2 outputs takes 16 multiplications for a pair of channels; the plain form takes 36. What
it adds are sums before and after, a few for each channel.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .autocast import computes_float32_on_cpu
from .own_gradients import convolve_with, takes_own_gradients
from .products import linear

__all__ = ['WinogradConv2d', 'has_winograd_kernel']

# Measured: with fewer channels the sums take longer than the products that they save, and with
# fewer pixels and channels together the transform of the kernel does. See _width().
_MIN_CHANNELS = 105
_MIN_CHANNELS_TIMES_PIXELS = 1 << 19
# Tiles at a time.
_BAND = 1024
# Lines of the input whose sum or difference (the sign) is a line of the transformed tile.
_PAIRS = ((0, 2, -1), (1, 2, 1), (2, 1, -1), (1, 3, -1))


class WinogradConv2d(nn.Conv2d):
    """``nn.Conv2d`` of :func:`has_winograd_kernel` that is fast on a CPU, in float32.

    Predictions and both gradients use Winograd's form. The forward pass of a training is PyTorch's
    own, because rounding changes the sign of some inputs of the next ReLU, and gradients jump.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to (B, out_channels, H, W)."""
        if not _is_worth_it(input, self):
            return super().forward(input)
        if takes_own_gradients(input, self.weight):
            return convolve_with(_gradients, _convolve, input, self.weight, self.bias)
        if torch.is_grad_enabled():
            return super().forward(input)
        return winograd_conv(input, self.weight, self.bias)


def has_winograd_kernel(conv: nn.Conv2d) -> bool:
    """Whether this is a dense 3x3 convolution of many channels that keeps the size of the image."""
    settings = conv.kernel_size, conv.stride, conv.padding, conv.dilation
    return (
        settings == ((3, 3), (1, 1), (1, 1), (1, 1))
        and conv.groups == 1
        and conv.padding_mode == 'zeros'
        and _width(conv) >= _MIN_CHANNELS
    )


def _width(conv: nn.Conv2d) -> float:
    """Products for each sum: in_channels * out_channels over their sum."""
    return conv.in_channels * conv.out_channels / (conv.in_channels + conv.out_channels)


def _is_worth_it(images: Tensor, conv: nn.Conv2d) -> bool:
    return (
        computes_float32_on_cpu(images, conv.weight)
        and images.dim() == 4
        and len(images) > 0
        and images[0, 0].numel() * _width(conv) >= _MIN_CHANNELS_TIMES_PIXELS
        and images.is_contiguous(memory_format=torch.channels_last)
        and bool(torch.backends.mkldnn.enabled)
    )


def winograd_conv(images: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``F.conv2d(images, weight, bias, padding=1)``, without a gradient.

    Args:
        images: (B, C, H, W).
        weight: (K, C, 3, 3).
        bias: (K,).

    Returns:
        (B, K, H, W), channels-last.
    """
    kernel = _transform_kernel(weight)
    height, width = images.shape[2:]
    output = images.new_empty(len(images), _even(height), _even(width), len(weight))
    for number, rows, tiles in _bands(images):
        products = [linear(one, cell) for one, cell in zip(tiles, kernel)]
        _write_outputs(products, output[number, rows])
    if bias is not None:
        output += bias
    return output[:, :height, :width].permute(0, 3, 1, 2)


def _convolve(images: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return F.conv2d(images, weight, bias, padding=1)


def _gradients(
    grad: Tensor, images: Tensor, weight: Tensor, wanted: tuple[bool, bool]
) -> tuple[Tensor | None, Tensor | None]:
    grad = grad.contiguous(memory_format=torch.channels_last)
    turned = weight.flip(2, 3).transpose(0, 1)
    return (
        winograd_conv(grad, turned) if wanted[0] else None,
        _weight_gradient(grad, images) if wanted[1] else None,
    )


def _weight_gradient(grad: Tensor, images: Tensor) -> Tensor:
    """Gradient (K, C, 3, 3) of the kernel from (B, K, H, W) and (B, C, H, W)."""
    tops = _pad(grad, 0)
    total = grad.new_zeros(16, grad.shape[1], images.shape[1])
    for number, rows, tiles in _bands(images):
        for cell, top, one in zip(total, _transform_gradient(tops[number, rows]), tiles):
            cell += linear(top.t(), one.t())
    by_row = torch.stack(_kernel_gradient(total.unflatten(0, (4, 4))))
    by_column = torch.stack(_kernel_gradient(by_row.transpose(0, 1)))
    return by_column.permute(2, 3, 1, 0)


def _even(side: int) -> int:
    return side + side % 2


def _pad(images: Tensor, border: int) -> Tensor:
    """(B, C, H, W) as (B, H', W', C), sides made even, with zeros around."""
    height, width = images.shape[2:]
    sides = border, border + width % 2, border, border + height % 2
    return F.pad(images.permute(0, 2, 3, 1), (0, 0, *sides))


def _bands(images: Tensor) -> Iterator[tuple[int, slice, Tensor]]:
    """Number of the image, rows of the output, and transformed tiles (16, T, C) of a few rows."""
    padded = _pad(images, 1)
    height, width = padded.shape[1] - 2, padded.shape[2] - 2
    step = 2 * max(1, 2 * _BAND // width)
    for number, image in enumerate(padded):
        for first in range(0, height, step):
            rows = slice(first, min(first + step, height))
            yield number, rows, _transform_input(image[first : rows.stop + 2])


def _transform_input(rows: Tensor) -> Tensor:
    """Tiles (16, n * m, C) of (2n + 2, 2m + 2, C)."""
    height, width = len(rows) - 2, rows.shape[1] - 2
    tiles = rows.new_empty(4, 4, height // 2, width // 2, rows.shape[2])
    lines = [rows[first : first + height : 2] for first in range(4)]
    for across, (one, other, sign) in zip(tiles, _PAIRS):
        mixed = torch.add(lines[one], lines[other], alpha=sign)
        columns = [mixed[:, first : first + width : 2] for first in range(4)]
        for tile, (one, other, sign) in zip(across, _PAIRS):
            torch.add(columns[one], columns[other], alpha=sign, out=tile)
    return tiles.view(16, -1, rows.shape[2])


def _transform_gradient(rows: Tensor) -> Tensor:
    """The transpose of :func:`_write_outputs`: (2n, 2m, K) to (16, n * m, K)."""
    tiles = rows.new_empty(4, 4, len(rows) // 2, rows.shape[1] // 2, rows.shape[2])
    for across, mixed in zip(tiles, _spread(rows[::2], rows[1::2])):
        for tile, values in zip(across, _spread(mixed[:, ::2], mixed[:, 1::2])):
            tile.copy_(values)
    return tiles.view(16, -1, rows.shape[2])


def _spread(first: Tensor, second: Tensor) -> tuple[Tensor, ...]:
    return first, first + second, first - second, -second


def _write_outputs(products: list[Tensor], rows: Tensor) -> None:
    """Products, 16 times (n * m, K), to outputs (2n, 2m, K)."""
    by_row = zip(*(_sums(*products[column::4]) for column in range(4)))
    for out, columns in zip((rows[::2], rows[1::2]), by_row):
        for target, values in zip((out[:, ::2], out[:, 1::2]), _sums(*columns)):
            target.copy_(values.view(target.shape))


def _sums(first: Tensor, second: Tensor, third: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
    difference = second - third
    return (second + third).add_(first), difference.sub_(last)


def _transform_kernel(weight: Tensor) -> Tensor:
    """(K, C, 3, 3) to (16, K, C)."""
    cells = weight.permute(3, 2, 0, 1).contiguous()
    by_column = _spread_kernel(cells)
    return _spread_kernel(by_column.transpose(0, 1)).flatten(0, 1)


def _spread_kernel(cells: Tensor) -> Tensor:
    first, middle, last = cells
    ends = (first + last) / 2
    half = middle / 2
    return torch.stack([first, ends + half, ends - half, last])


def _kernel_gradient(cells: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The transpose of :func:`_spread_kernel`: (4, ...) to three times (...)."""
    first, second, third, last = cells
    mean = (second + third) / 2
    return first + mean, (second - third) / 2, mean + last
