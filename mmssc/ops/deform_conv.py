"""Deformable convolution without a mask (Dai et al., ICCV 2017, arXiv 1703.06211)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmssc.compat import MMCV_OPS_HINT, has_compiled_mmcv_ops
from mmssc.errors import DataError, MissingDependencyError

__all__ = ['DeformConv2d', 'deform_conv2d']

_BACKENDS = ('auto', 'torch', 'mmcv')
_MMCV_STEP = 32


def deform_conv2d(
    x: Tensor,
    offset: Tensor,
    weight: Tensor,
    padding: int = 0,
    groups: int = 1,
    backend: str = 'auto',
) -> Tensor:
    """Convolution whose kernel taps are moved, for every output pixel by its own offsets.

    A moved tap reads the image bilinearly; pixels outside count as 0. The stride is 1 and there is
    no bias. It always computes in float32 or wider, also under autocast: in half precision, a
    position would be wrong by whole pixels of a wide image.

    Args:
        x: (B, C, H, W).
        offset: (B, 2 * k * k, H', W') in pixels; channels 2t and 2t + 1 move tap t down and to the
            right, ``t = k * row + column``.
        weight: (C', C / groups, k, k).
        padding: Rows and columns of zeros on every side.
        groups: Groups of channels, as in an ordinary convolution.
        backend: ``'torch'``, ``'mmcv'`` (compiled, CUDA only), or ``'auto'``: mmcv if possible.

    Returns:
        (B, C', H', W') with ``H' = H + 2 * padding - k + 1``, in the type of ``x``.

    Raises:
        MissingDependencyError: ``backend='mmcv'`` and mmcv has no compiled ops.
        DataError: Unknown backend.
        ValueError: The shape of the offsets does not fit.
    """
    size = weight.shape[-1]
    height, width = (side + 2 * padding - size + 1 for side in x.shape[2:])
    if offset.shape != (len(x), 2 * size * size, height, width):
        expected = (len(x), 2 * size * size, height, width)
        raise ValueError(f'expected offsets {expected}, got {tuple(offset.shape)}')
    function = _mmcv_conv if _use_mmcv(backend, x, size) else _torch_conv
    with torch.autocast(x.device.type, enabled=False):
        wide = torch.promote_types(x.dtype, torch.float32)
        output = function(x.to(wide), offset.to(wide), weight.to(wide), padding, groups)
        return output.to(x.dtype)


def _use_mmcv(backend: str, x: Tensor, size: int) -> bool:
    if backend not in _BACKENDS:
        raise DataError('deform_conv2d', 'backend', f'one of {_BACKENDS}', repr(backend))
    if backend == 'auto':
        # mmcv refuses images that are smaller than the kernel.
        return x.is_cuda and has_compiled_mmcv_ops() and min(x.shape[2:]) >= size
    if backend == 'mmcv' and not has_compiled_mmcv_ops():
        raise MissingDependencyError(
            f"mmcv has no compiled ops here: {MMCV_OPS_HINT}, or use backend='torch'"
        )
    return backend == 'mmcv'


def _mmcv_conv(x: Tensor, offset: Tensor, weight: Tensor, padding: int, groups: int) -> Tensor:
    from mmcv.ops.deform_conv import deform_conv2d as compiled

    # The op needs a batch that is a multiple of its step.
    step = math.gcd(len(x), _MMCV_STEP)
    parts = (tensor.contiguous() for tensor in (x, offset, weight))
    return compiled(*parts, 1, padding, 1, groups, 1, False, step)


def _torch_conv(x: Tensor, offset: Tensor, weight: Tensor, padding: int, groups: int) -> Tensor:
    """Read the pixels of every tap, then one matrix product."""
    batch, _, height, width = x.shape
    out_channels, group_channels, size, _ = weight.shape
    taps = size * size
    moved = offset.unflatten(1, (taps, 2))  # B, taps, (down, right), H', W'
    rows, columns = (torch.arange(n, device=x.device, dtype=x.dtype) for n in moved.shape[3:])
    tap = torch.arange(size, device=x.device, dtype=x.dtype) - padding
    row = moved[:, :, 0] + (tap.repeat_interleave(size).view(-1, 1, 1) + rows[:, None])
    column = moved[:, :, 1] + (tap.repeat(size).view(-1, 1, 1) + columns)
    # grid_sample counts from -1 to 1 between the outer borders of the image.
    grid = torch.stack([(2 * column + 1) / width - 1, (2 * row + 1) / height - 1], -1)
    samples = F.grid_sample(x, grid.flatten(1, 2), 'bilinear', 'zeros', align_corners=False)
    samples = samples.view(batch, groups, group_channels * taps, -1)
    kernels = weight.view(groups, out_channels // groups, group_channels * taps)
    return (kernels @ samples).view(batch, out_channels, *moved.shape[3:])


class DeformConv2d(nn.Conv2d):
    """Layer of :func:`deform_conv2d`: stride 1, no bias, initial weights of ``nn.Conv2d``.

    Args:
        in_channels: Input channels.
        out_channels: Output channels.
        kernel_size: Rows and columns k of the kernel.
        padding: See :func:`deform_conv2d`.
        groups: See :func:`deform_conv2d`.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, padding: int = 0,
        groups: int = 1,
    ) -> None:  # fmt: skip
        super().__init__(
            in_channels, out_channels, kernel_size, padding=padding, groups=groups, bias=False
        )

    def forward(self, x: Tensor, offset: Tensor) -> Tensor:  # type: ignore[override]
        """Map (B, in_channels, H, W) with offsets (B, 2 * k * k, H', W') to (B, ..., H', W')."""
        return deform_conv2d(x, offset, self.weight, int(self.padding[0]), self.groups)
