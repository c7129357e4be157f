"""Matrix products and 1x1 convolutions on the CPU through oneDNN.

On one thread PyTorch computes linear layers and 1x1 convolutions of float32 with MKL, which
reaches less than half of oneDNN's speed on AMD processors, and its 1x1 convolutions leave the
channels-last layout. :func:`prefer_onednn` switches the layers of a model to oneDNN. Results differ
by rounding only; other devices and other types use PyTorch's own choice.
"""

from __future__ import annotations

from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .line_conv import LineConv3d, has_line_kernel, line_conv, takes_hint
from .onednn_conv import OneDNNConv3d
from .products import linear, matmul
from .winograd import WinogradConv2d, has_winograd_kernel

__all__ = [
    'channels_last_on_cpu', 'linear', 'matmul', 'pointwise_conv', 'prefer_onednn',
    'prefer_onednn_in_gradients',
]  # fmt: skip

_Module = TypeVar('_Module', bound=nn.Module)


def channels_last_on_cpu(x: Tensor) -> Tensor:
    """Images (B, C, H, W) or volumes (B, C, X, Y, Z) in the layout that oneDNN works on directly.

    On other devices the result is ``x``.
    """
    if x.device.type != 'cpu':
        return x
    volume = x.dim() == 5
    return x.contiguous(memory_format=torch.channels_last_3d if volume else torch.channels_last)


def pointwise_conv(x: Tensor, conv: nn.Conv2d | nn.Conv3d) -> Tensor:
    """``conv(x)`` whose last two kernel sides are 1; on the CPU it keeps a channels-last layout."""
    function = F.conv3d if isinstance(conv, nn.Conv3d) else F.conv2d
    dilation = conv.dilation
    # A single pixel, such as a mean of the image, takes a loop with a dilation.
    if takes_hint(x) and x.shape[2:].numel() > 1:
        # A dilation changes nothing where the kernel has one cell, but then PyTorch takes oneDNN.
        sides = zip(conv.kernel_size, conv.dilation)
        dilation = tuple(2 if kernel == 1 else given for kernel, given in sides)
    return function(x, conv.weight, conv.bias, conv.stride, conv.padding, dilation, conv.groups)


def prefer_onednn(model: _Module, predictions_only: bool = False) -> _Module:
    """Let linear layers and convolutions that PyTorch computes without oneDNN on a CPU use it.

    Wide 3x3 convolutions of images get :class:`WinogradConv2d`.

    Parameters, their names and the results stay the same. Subclasses of PyTorch's layers do not
    change.

    Args:
        model: Changed in place.
        predictions_only: Change convolutions only, and only where no gradient is computed: for
            models whose gradients jump with the rounding of their features.

    Returns:
        The model.
    """
    for module in model.modules():
        if predictions_only:
            if type(module) is nn.Conv3d and _is_pointwise(module):
                module.__class__ = _PredictingPointwiseConv3d
        elif type(module) is nn.Linear:
            module.__class__ = _LinearLayer
        elif type(module) is nn.Conv2d and _is_pointwise(module):
            module.__class__ = _PointwiseConv2d
        elif type(module) is nn.Conv2d and has_winograd_kernel(module):
            module.__class__ = WinogradConv2d
        elif type(module) in (nn.Conv3d, LineConv3d) and _is_pointwise(module):
            module.__class__ = _PointwiseConv3d
        elif type(module) is nn.Conv3d:
            module.__class__ = LineConv3d if has_line_kernel(module) else OneDNNConv3d
    return model


def prefer_onednn_in_gradients(model: _Module) -> _Module:
    """Let the gradients of linear layers use oneDNN on a CPU, and not their outputs.

    For models whose gradients jump with the rounding of their features.

    Args:
        model: Changed in place. Linear layers of mmcv are changed, too; other subclasses are not.

    Returns:
        The model.
    """
    for module in model.modules():
        # The class of mmcv has the same name and, in every supported version, the same function.
        if isinstance(module, nn.Linear) and type(module).__name__ == 'Linear':
            module.__class__ = _LinearGradients
    return model


class _LinearLayer(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        return linear(input, self.weight, self.bias)


class _LinearGradients(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        return linear(input, self.weight, self.bias, gradients_only=True)


class _PointwiseConv2d(nn.Conv2d):
    def forward(self, input: Tensor) -> Tensor:
        return pointwise_conv(input, self)


class _PointwiseConv3d(LineConv3d):
    def forward(self, input: Tensor) -> Tensor:
        output = line_conv(input, self) if has_line_kernel(self) else None
        return pointwise_conv(input, self) if output is None else output


class _PredictingPointwiseConv3d(nn.Conv3d):
    def forward(self, input: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            return super().forward(input)
        return pointwise_conv(input, self)


def _is_pointwise(conv: nn.Module) -> bool:
    assert isinstance(conv, (nn.Conv2d, nn.Conv3d))
    return tuple(conv.kernel_size[-2:]) == (1, 1) and conv.padding_mode == 'zeros'
