"""Convolutions of single volumes by oneDNN, also where PyTorch takes another way on a CPU."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from mmssc.geometry.tracing import has_values

from .autocast import autocast_dtype

__all__ = ['OneDNNConv3d', 'leaves_onednn']

# PyTorch (2.1 to 2.13) takes oneDNN for one sample only if channels times the first two sides
# exceed this number.
_MOST = 20480


class OneDNNConv3d(nn.Conv3d):
    """``nn.Conv3d`` that is fast for one sample with few channels or a short first side.

    PyTorch's own way for them is three to four times slower (8 channels, 32 x 32 x 4 voxels, with
    gradients: 4.8 and 1.8 ms) and leaves the channels-last order. Results differ by rounding only.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Map (B, in_channels, X, Y, Z) to (B, out_channels, ...)."""
        if not leaves_onednn(input, self):
            return super().forward(input)
        settings = self.padding, self.stride, self.dilation, self.groups
        if torch.is_grad_enabled():
            return _Convolution.apply(input, self.weight, self.bias, *settings)
        return torch.mkldnn_convolution(input, self.weight, self.bias, *settings)


def leaves_onednn(x: Tensor, conv: nn.Conv3d) -> bool:
    """Whether PyTorch computes ``conv(x)`` without oneDNN although oneDNN could.

    Args:
        x: (B, C, X, Y, Z).
        conv: The layer.
    """
    return (
        torch.backends.mkldnn.is_available()
        and bool(torch.backends.mkldnn.enabled)
        and x.device.type == 'cpu'
        and x.dtype == conv.weight.dtype == torch.float32
        and x.dim() == 5
        and x.shape[0] == 1
        and 0 < math.prod(x.shape[1:4]) <= _MOST
        and x.shape[4] > 0
        and conv.groups == 1
        and not (conv.kernel_size[1] > 3 and conv.kernel_size[2] > 3)
        and conv.padding_mode == 'zeros'
        and not isinstance(conv.padding, str)
        and autocast_dtype('cpu') is None
        and not torch.jit.is_tracing()
        and has_values()
    )


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, volume: Tensor, weight: Tensor, bias: Tensor | None, *settings: Any
    ) -> Tensor:
        ctx.save_for_backward(volume, weight)
        ctx.settings = settings
        return torch.mkldnn_convolution(volume, weight, bias, *settings)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        volume, weight = ctx.saved_tensors
        padding, stride, dilation, groups = ctx.settings
        # Of tensors in oneDNN's own form, PyTorch computes gradients by oneDNN whatever their size.
        to_volume, *others = torch.ops.aten.convolution_backward(
            grad.to_mkldnn(), volume.to_mkldnn(), weight, [len(weight)], stride, padding, dilation,
            False, [0, 0, 0], groups, ctx.needs_input_grad[:3],
        )  # fmt: skip
        if to_volume is not None:
            to_volume = to_volume.to_dense()
            if volume.is_contiguous(memory_format=torch.channels_last_3d):
                to_volume = to_volume.contiguous(memory_format=torch.channels_last_3d)
        return to_volume, *others, None, None, None, None
