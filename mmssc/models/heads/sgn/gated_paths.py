"""Gated sum of parallel convolutions along one axis of a volume."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from mmssc.ops.autocast import autocast_dtype

__all__ = ['gated_sum']

# Voxels per step on the CPU: their features stay in the cache.
_STEP = 8192


def gated_sum(x: Tensor, gates: Tensor, convs: Iterable[nn.Module], axis: int) -> Tensor:
    """Sum over paths i of ``gates[:, i] * relu(convs[i](x))``.

    On the CPU a few planes of a large volume pass through all paths at a time, and again in the
    backward pass: the outputs of the convolutions never exist as a whole. It is also faster,
    because the features of a step stay in the cache.

    Args:
        x: (B, C, X, Y, Z).
        gates: (B, P, X, Y, Z).
        convs: P convolutions (``nn.Conv3d`` with a bias) that keep the shape; kernels along
            ``axis``.
        axis: 0 for x, 1 for y, 2 for z.

    Returns:
        (B, C, X, Y, Z); channels-last in memory on the CPU.
    """
    layers: list[Any] = list(convs)
    if x.device.type != 'cpu' or torch.jit.is_tracing() or x.shape[2:].numel() <= _STEP:
        return _run_whole(x, gates, layers)
    weights = [weight for conv in layers for weight in (conv.weight, conv.bias)]
    if torch.is_grad_enabled():
        return _GatedSum.apply(x, gates, axis, *weights)
    # Tools that count operations cannot look into an autograd function.
    return _run(x, gates, axis, weights)


def _run_whole(x: Tensor, gates: Tensor, convs: Sequence[nn.Module]) -> Tensor:
    (first, first_gate), *others = zip(convs, gates.split(1, dim=1))
    y = F.relu(first(x))
    total = first_gate.to(y.dtype) * y
    for conv, gate in others:
        y = F.relu(conv(x))
        total = torch.addcmul(total, gate.to(y.dtype), y)
    return total


class _GatedSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, gates: Tensor, axis: int, *weights: Tensor) -> Tensor:
        ctx.save_for_backward(x, gates, *weights)
        ctx.axis, ctx.dtype = axis, autocast_dtype('cpu')
        return _run(x, gates, axis, weights)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, gates, *weights = ctx.saved_tensors
        axis, volumes = ctx.axis, (_rows(x), _rows(gates), _rows(grad))
        grad_x, grad_gates = (torch.empty_like(volume) for volume in volumes[:2])
        sums = [torch.zeros_like(weight) for weight in weights]
        leaves = [weight.detach().requires_grad_() for weight in weights]
        for place in _steps(x, axis):
            part, share, above = (_images(volume[place], axis) for volume in volumes)
            part, share = part.detach().requires_grad_(), share.detach().requires_grad_()
            with torch.enable_grad(), torch.autocast('cpu', ctx.dtype, enabled=bool(ctx.dtype)):
                total = _mix(part, share, axis, leaves)
            gradients = torch.autograd.grad(total, [part, share, *leaves], above)
            to_x, to_gates, *parts = gradients
            grad_x[place] = to_x.reshape(grad_x[place].shape)
            grad_gates[place] = to_gates.reshape(grad_gates[place].shape)
            for one, more in zip(sums, parts):
                one += more
        return _volume(grad_x), _volume(grad_gates), None, *sums


def _run(x: Tensor, gates: Tensor, axis: int, weights: Sequence[Tensor]) -> Tensor:
    rows, shares = _rows(x), _rows(gates)
    output = torch.empty(rows.shape, dtype=autocast_dtype('cpu') or x.dtype)
    for place in _steps(x, axis):
        total = _mix(_images(rows[place], axis), _images(shares[place], axis), axis, weights)
        output[place] = total.view(output[place].shape)
    return _volume(output)


def _mix(part: Tensor, gates: Tensor, axis: int, weights: Sequence[Tensor]) -> Tensor:
    """The sum of images (N, H, W, C) with gates (N, H, W, P)."""
    images, total = part.permute(0, 3, 1, 2), None
    # Kernels along x and y are vertical lines of the images, along z horizontal ones.
    line = 2 if axis == 2 else 3
    for number, (weight, bias) in enumerate(zip(weights[::2], weights[1::2])):
        kernel = weight.flatten(2).unsqueeze(line)
        padding = kernel.shape[2] // 2, kernel.shape[3] // 2
        y = F.conv2d(images, kernel, bias, padding=padding).permute(0, 2, 3, 1).relu_()
        gate = gates[..., number : number + 1].to(y.dtype)
        total = gate * y if total is None else torch.addcmul(total, gate, y)
    assert total is not None
    return total


def _steps(x: Tensor, axis: int) -> Iterator[tuple[Any, ...]]:
    """Where the planes of each step are in (B, X, Y, Z, C): across y for kernels along x."""
    batch, _, *sides = x.shape
    across = 1 if axis == 0 else 0
    size = max(1, _STEP * sides[across] // (sides[0] * sides[1] * sides[2]))
    for sample in range(batch):
        for start in range(0, sides[across], size):
            planes = slice(start, start + size)
            yield (sample, slice(None), planes) if axis == 0 else (sample, planes)


def _images(planes: Tensor, axis: int) -> Tensor:
    """Planes (x, y, z, C) as images (N, H, W, C); kernels along x need x as the height."""
    return planes.flatten(1, 2).unsqueeze(0) if axis == 0 else planes


def _rows(volume: Tensor) -> Tensor:
    return volume.permute(0, 2, 3, 4, 1)


def _volume(rows: Tensor) -> Tensor:
    return rows.permute(0, 4, 1, 2, 3)
