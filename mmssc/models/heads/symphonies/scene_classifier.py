"""Classifier from the working volume of a scene to the output grid."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from mmssc.models.layers.norm import build_norm, classify_activated
from mmssc.models.layers.recompute import recompute_in_backward
from mmssc.ops.transposed_conv import TransposedConv3d

__all__ = ['SceneClassifier', 'TransposedConvBlock3D']


class TransposedConvBlock3D(nn.Module):
    """Transposed 3x3x3 convolution, normalisation, ReLU; multiplies each side by ``stride``.

    Args:
        in_channels: Input channels.
        out_channels: Output channels.
        stride: Factor along x, y, z.
        norm_cfg: Normalisation, see :func:`build_norm`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: tuple[int, int, int],
        norm_cfg: dict[str, Any],
    ) -> None:
        super().__init__()
        x, y, z = stride
        self.conv = TransposedConv3d(
            in_channels, out_channels, 3, stride, padding=1, output_padding=(x - 1, y - 1, z - 1)
        )
        self.norm = build_norm(norm_cfg, out_channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, X, Y, Z) to (B, out_channels, sx X, sy Y, sz Z)."""
        return self.activate(self.conv(x))

    def activate(self, x: Tensor) -> Tensor:
        """Normalisation and ReLU of the result of the convolution."""
        # In place: normalisation saves its input for the gradient, not its output.
        return F.relu(self.norm(x), inplace=True)


class SceneClassifier(nn.Sequential):
    """Up-sample z, then all axes, then classify each voxel by a linear layer.

    Args:
        channels: Number of channels.
        num_classes: Number of classes K.
        volume_scale: Up-sampling factor of all axes.
        downsample_z: Additional up-sampling factor of z.
        norm_cfg: Normalisation, see :func:`build_norm`.
    """

    def __init__(
        self,
        channels: int,
        num_classes: int,
        volume_scale: int,
        downsample_z: int,
        norm_cfg: dict[str, Any],
    ) -> None:
        parts: OrderedDict[str, nn.Module] = OrderedDict()
        if downsample_z > 1:
            stride = (1, 1, downsample_z)
            parts['z_up'] = TransposedConvBlock3D(channels, channels, stride, norm_cfg)
        if volume_scale > 1:
            stride = (volume_scale, volume_scale, volume_scale)
            parts['up'] = TransposedConvBlock3D(channels, channels, stride, norm_cfg)
        parts['classifier'] = nn.Conv3d(channels, num_classes, 1)
        super().__init__(parts)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels, X, Y, Z) to logits of the output grid."""
        for step in self._steps():
            x = step(x)
        return x

    def recompute(self, x: Tensor, store_full: bool) -> Tensor:
        """The result of a plain call; the backward pass computes most of it again.

        Only outputs of convolutions are stored.

        Args:
            x: (B, channels, X, Y, Z).
            store_full: Store also that of the last block, a volume of the output grid. For the
                volume that is classified last: the backward pass begins with it and needs the
                memory then in any case.
        """
        *steps, last = self._steps()
        if not store_full and steps:
            last = partial(_chain, [steps.pop(), last])
        for step in (*steps, last):
            x = recompute_in_backward(self, x, function=step)
        return x

    def _steps(self) -> list[Callable[[Tensor], Tensor]]:
        """The whole in parts that each end with a convolution."""
        modules: list[Any] = list(self)
        *blocks, classifier = modules
        if not blocks:
            return [classifier]
        activated = [[one.activate] for one in blocks[:-1]]
        steps = [
            partial(_chain, [*before, one.conv]) for before, one in zip([[], *activated], blocks)
        ]
        return [*steps, partial(classify_activated, blocks[-1].norm, classifier)]


def _chain(functions: Sequence[Callable[[Tensor], Tensor]], x: Tensor) -> Tensor:
    for function in functions:
        x = function(x)
    return x
