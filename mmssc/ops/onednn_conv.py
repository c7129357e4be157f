"""Convolutions of single volumes by oneDNN, also where PyTorch takes another way on a CPU."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor, nn

from .autocast import computes_float32_on_cpu
from .own_gradients import convolve_with, takes_own_gradients

__all__ = ['OneDNNConv3d', 'conv_by_onednn', 'leaves_onednn']

# PyTorch (2.1 to 2.13) takes oneDNN for one sample only if channels times the first two sides
# exceed this number.
_MOST = 20480
# Padding, stride and dilation.
_Settings = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]


class OneDNNConv3d(nn.Conv3d):
    """``nn.Conv3d`` that is fast for one sample with few channels or a short first side.

    PyTorch's own way for them is three to four times slower (8 channels, 32 x 32 x 4 voxels, with
    gradients: 4.8 and 1.8 ms) and leaves the channels-last order. Results differ by rounding only.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Map (B, in_channels, X, Y, Z) to (B, out_channels, ...)."""
        return conv_by_onednn(input, self) if leaves_onednn(input, self) else super().forward(input)


def conv_by_onednn(x: Tensor, conv: nn.Conv3d) -> Tensor:
    """``conv(x)`` where :func:`leaves_onednn` is true; (B, out_channels, ...), channels-last."""
    assert not isinstance(conv.padding, str)
    settings = conv.padding, conv.stride, conv.dilation
    if takes_own_gradients(x, conv.weight):
        run, gradients = partial(_convolve, settings), partial(_gradients, settings)
        return convolve_with(gradients, run, x, conv.weight, conv.bias)
    return _convolve(settings, x, conv.weight, conv.bias)


def leaves_onednn(x: Tensor, conv: nn.Conv3d) -> bool:
    """Whether PyTorch computes ``conv(x)`` without oneDNN although oneDNN could.

    Args:
        x: (B, C, X, Y, Z).
        conv: The layer.
    """
    return (
        torch.backends.mkldnn.is_available()
        and bool(torch.backends.mkldnn.enabled)
        and computes_float32_on_cpu(x, conv.weight)
        and x.dim() == 5
        and x.shape[0] == 1
        and 0 < math.prod(x.shape[1:4]) <= _MOST
        and x.shape[4] > 0
        and conv.groups == 1
        and not (conv.kernel_size[1] > 3 and conv.kernel_size[2] > 3)
        and conv.padding_mode == 'zeros'
        and not isinstance(conv.padding, str)
    )


def _convolve(settings: _Settings, volume: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return torch.mkldnn_convolution(volume, weight, bias, *settings, 1)


def _gradients(
    settings: _Settings, grad: Tensor, volume: Tensor, weight: Tensor, wanted: tuple[bool, bool]
) -> tuple[Tensor | None, Tensor | None]:
    padding, stride, dilation = settings
    # Of tensors in oneDNN's own form, PyTorch computes gradients by oneDNN whatever their size.
    to_volume, to_weight, _ = torch.ops.aten.convolution_backward(
        grad.to_mkldnn(), volume.to_mkldnn(), weight, None, stride, padding, dilation, False,
        (0, 0, 0), 1, (*wanted, False),
    )  # fmt: skip
    if to_volume is not None:
        to_volume = to_volume.to_dense()
        if volume.is_contiguous(memory_format=torch.channels_last_3d):
            to_volume = to_volume.contiguous(memory_format=torch.channels_last_3d)
    return to_volume, to_weight
