"""Submanifold sparse 3D convolution, in plain PyTorch and, on CUDA, with spconv.

The set of active voxels (:class:`SparseIndex`) is separate from the features, an (N, C) tensor. So
all layers of one level share the set and its neighbour table.
"""

from __future__ import annotations

import functools
import importlib.util
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable

from mmssc.errors import DataError, MissingDependencyError

from .autocast import autocast_dtype
from .backends import plain_ops_only
from .onednn import linear, matmul

if TYPE_CHECKING:
    import spconv.pytorch as spconv
__all__ = ['SparseIndex', 'SubMConv3d', 'spconv_available', 'submanifold_conv3d']

# Largest look-up volume (int32 cells); larger grids find neighbours by binary search.
_MAX_LOOKUP_CELLS = 1 << 27


@functools.cache
def spconv_available() -> bool:
    """Whether the optional package spconv is installed."""
    return importlib.util.find_spec('spconv') is not None


class SparseIndex:
    """Active voxels of a batch of grids.

    Args:
        coords: (N, 4) int64, columns batch, a, b, c; a, b, c are indices along the three axes of
            ``shape``. Rows must be unique; any order.
        shape: Number of voxels along each axis.
        batch_size: Number of samples; a sample may have no voxels.

    Raises:
        DataError: ``coords`` does not have four columns.
    """

    def __init__(self, coords: Tensor, shape: tuple[int, int, int], batch_size: int) -> None:
        if coords.dim() != 2 or coords.shape[1] != 4:
            raise DataError('sparse index', 'coords', 'shape (N, 4)', tuple(coords.shape))
        self.coords = coords.to(torch.int64)
        self.shape = (int(shape[0]), int(shape[1]), int(shape[2]))
        self.batch_size = int(batch_size)
        self._pairs: dict[int, list[tuple[Tensor, Tensor]]] = {}
        self._pools: dict[int, tuple[Tensor, Tensor]] = {}
        self._spconv: Any = None

    @classmethod
    def group_rows(
        cls, coords: Tensor, shape: tuple[int, int, int], batch_size: int
    ) -> tuple[SparseIndex, Tensor]:
        """Active voxels from coordinates with duplicates, e.g. of points.

        Returns:
            The distinct voxels, sorted by (batch, a, b, c), and ``group`` (N,) int64, voxel of
            every row of ``coords``.
        """
        keys, group = torch.unique(_flatten(coords, shape), sorted=True, return_inverse=True)
        return cls(_unflatten(keys, shape), shape, batch_size), group

    def __len__(self) -> int:
        return self.coords.shape[0]

    @property
    def keys(self) -> Tensor:
        """(N,) int64, flat index of every voxel in (batch, a, b, c) order."""
        return _flatten(self.coords, self.shape)

    def pool(self, factor: int) -> tuple[Tensor, Tensor]:
        """Group the voxels by the coarse voxel ``coords // factor`` that holds them (cached).

        Returns:
            ``coarse_keys`` (M,) int64, sorted flat index of the coarse voxels with active voxels,
            and ``group`` (N,) int64, the row of ``coarse_keys`` of every voxel.
        """
        if factor not in self._pools:
            coarse = torch.cat([self.coords[:, :1], self.coords[:, 1:] // factor], dim=1)
            keys = _flatten(coarse, _coarse_shape(self.shape, factor))
            self._pools[factor] = torch.unique(keys, sorted=True, return_inverse=True)
        return self._pools[factor]

    def coarsen(self, factor: int) -> tuple[SparseIndex, Tensor]:
        """The coarse voxels of :meth:`pool`, sorted by (batch, a, b, c).

        Returns:
            Coarse index and ``group`` (N,) int64, its row for every voxel.
        """
        keys, group = self.pool(factor)
        shape = _coarse_shape(self.shape, factor)
        return SparseIndex(_unflatten(keys, shape), shape, self.batch_size), group

    def pairs(self, kernel_size: int) -> list[tuple[Tensor, Tensor]]:
        """Pairs of rows that a submanifold convolution connects (cached).

        Returns:
            For every kernel offset, the last axis fastest: rows of the input and rows of the
            output, (P,) int64 each. Every row is at most once in each.
        """
        if kernel_size not in self._pairs:
            table = self.neighbours(kernel_size)
            offsets, outputs = (table >= 0).nonzero(as_tuple=True)
            inputs = table[offsets, outputs].to(torch.int64)
            counts = torch.bincount(offsets, minlength=table.shape[0]).tolist()
            self._pairs[kernel_size] = list(zip(inputs.split(counts), outputs.split(counts)))
        return self._pairs[kernel_size]

    def neighbours(self, kernel_size: int, dense: bool | None = None) -> Tensor:
        """Row of the neighbour at every kernel offset.

        Args:
            kernel_size: Odd edge k of the kernel.
            dense: Look rows up in a dense volume (True) or by binary search in the sorted keys
                (False); by default, the grid size decides.

        Returns:
            (k^3, N) int32, -1 where the neighbour is not active.
        """
        radius = kernel_size // 2
        padded = tuple(side + 2 * radius for side in self.shape)
        cells = self.batch_size * padded[0] * padded[1] * padded[2]
        if dense is None:
            dense = cells <= _MAX_LOOKUP_CELLS
        # With a margin of empty voxels on every side, an offset is a fixed step of the flat index.
        shift = self.coords.new_tensor([0, radius, radius, radius])
        keys = _flatten(self.coords + shift, padded)
        step = torch.arange(-radius, radius + 1, device=keys.device)
        steps = step[:, None, None] * (padded[1] * padded[2]) + step[:, None] * padded[2] + step
        steps = steps.reshape(-1, 1)
        wanted = keys + steps
        if dense:
            rows = torch.full((cells,), -1, dtype=torch.int32, device=keys.device)
            rows[keys] = torch.arange(len(self), dtype=torch.int32, device=keys.device)
            return rows[wanted]
        ordered, order = torch.sort(keys)
        position = torch.searchsorted(ordered, wanted).clamp_(max=max(len(self) - 1, 0))
        found = ordered[position] == wanted
        return torch.where(found, order[position], -1).to(torch.int32)

    def spconv_tensor(self, features: Tensor) -> Any:
        """``features`` as an spconv tensor that shares its index table between layers."""
        import spconv.pytorch as spconv

        if self._spconv is None:
            indices = self.coords.to(torch.int32).contiguous()
            self._spconv = spconv.SparseConvTensor(
                features, indices, list(self.shape), self.batch_size
            )
        return self._spconv.replace_feature(features)


class SubMConv3d(nn.Module):
    """Submanifold convolution: reads and writes only active voxels.

    The weight has spconv's layout ``[out, ka, kb, kc, in]``; a, b, c are the axes of the
    :class:`SparseIndex`. Like spconv, a 1x1x1 kernel multiplies by the weight **without
    transposing** it, ``x @ weight.view(out, in)`` (spconv issue 450). So it needs equal numbers of
    input and output channels.

    Args:
        in_channels: Input channels.
        out_channels: Output channels.
        kernel_size: Odd edge of the kernel.
        backend: ``'auto'`` (spconv on CUDA if it is installed, otherwise PyTorch), ``'torch'`` or
            ``'spconv'``.

    Raises:
        DataError: Even kernel, a 1x1x1 kernel that is not square, or an unknown backend.
        MissingDependencyError: ``backend='spconv'`` and it is not installed.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, backend: str = 'auto'
    ) -> None:
        super().__init__()
        if kernel_size % 2 == 0:
            raise DataError('config', 'SubMConv3d.kernel_size', 'an odd number', kernel_size)
        if kernel_size == 1 and in_channels != out_channels:
            expected = f'in_channels == out_channels ({in_channels}) for a 1x1x1 kernel'
            raise DataError('config', 'SubMConv3d.out_channels', expected, out_channels)
        if backend not in ('auto', 'torch', 'spconv'):
            expected = "'auto', 'torch' or 'spconv'"
            raise DataError('config', 'SubMConv3d.backend', expected, repr(backend))
        if backend == 'spconv' and not spconv_available():
            raise MissingDependencyError(
                "spconv is not installed: 'pip install spconv-cu120' (your CUDA version)"
            )
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size, self.backend = kernel_size, backend
        self.weight = nn.Parameter(
            torch.empty(out_channels, kernel_size, kernel_size, kernel_size, in_channels)
        )
        self._spconv_layer: list[spconv.SubMConv3d] = []  # a list, so that it is not a submodule
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Uniform initialisation of ``nn.Conv3d``: bound 1 / sqrt(fan in)."""
        bound = (self.in_channels * self.kernel_size**3) ** -0.5
        nn.init.uniform_(self.weight, -bound, bound)

    def extra_repr(self) -> str:
        """Options shown by ``print(model)``."""
        return (
            f'{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, '
            f'backend={self.backend!r}'
        )

    def forward(self, features: Tensor, index: SparseIndex) -> Tensor:
        """Convolve.

        Args:
            features: (N, in_channels), rows of ``index``.
            index: The active voxels.

        Returns:
            (N, out_channels), same rows.
        """
        if self.kernel_size == 1:
            # linear() transposes its weight once more.
            return linear(features, self.weight.view(self.out_channels, self.in_channels).t())
        if self._use_spconv(features):
            return self._forward_spconv(features, index)
        return submanifold_conv3d(features, self.weight, index)

    def _use_spconv(self, features: Tensor) -> bool:
        if self.backend == 'auto':
            wanted = features.is_cuda and len(features) > 0 and not plain_ops_only()
            return wanted and spconv_available()
        return self.backend == 'spconv'

    def _forward_spconv(self, features: Tensor, index: SparseIndex) -> Tensor:
        if not self._spconv_layer:
            import spconv.pytorch as spconv

            layer = spconv.SubMConv3d(
                self.in_channels,
                self.out_channels,
                self.kernel_size,
                bias=False,
            )
            self._spconv_layer.append(layer.requires_grad_(False))
        # In inference mode spconv runs without autograd. So check whether a gradient is needed,
        # not the mode of the module. The two cases have separate neighbour tables.
        wanted = torch.is_grad_enabled()
        layer = self._spconv_layer[0].train(wanted)
        layer.indice_key = f'subm{self.kernel_size}{"" if wanted else "-inference"}'
        inputs = (index.spconv_tensor(features),)
        return torch.func.functional_call(layer, {'weight': self.weight}, inputs).features


def submanifold_conv3d(features: Tensor, weight: Tensor, index: SparseIndex) -> Tensor:
    """Submanifold convolution by gather, matrix product and scatter; any device.

    At active voxels it equals a dense convolution with zeros at inactive voxels. The backward pass
    gathers rows again instead of storing them, so it only needs the memory of the features. It
    follows autocast; sums run at least in float32.

    Args:
        features: (N, in).
        weight: (out, k, k, k, in).
        index: The active voxels.

    Returns:
        (N, out).
    """
    dtype = autocast_dtype(features.device.type)
    if dtype is not None and features.dtype != torch.float64:
        features, weight = features.to(dtype), weight.to(dtype)
    out_channels, kernel_size = weight.shape[:2]
    kernels = weight.reshape(out_channels, kernel_size**3, -1).permute(1, 2, 0)
    pairs = index.pairs(kernel_size)
    if not torch.is_grad_enabled():
        # Tools that count or export operations cannot look into an autograd function.
        return _gather_matmul_scatter(features, kernels, pairs)
    return _GatherMatmulScatter.apply(features, kernels, pairs)


def _gather_matmul_scatter(
    features: Tensor, kernels: Tensor, pairs: list[tuple[Tensor, Tensor]]
) -> Tensor:
    wide = torch.promote_types(features.dtype, torch.float32)
    output = features.new_zeros(len(features), kernels.shape[2], dtype=wide)
    for kernel, (inputs, outputs) in zip(kernels, pairs):
        rows = features.index_select(0, inputs)
        output.index_add_(0, outputs, matmul(rows, kernel).to(wide))
    return output.to(features.dtype)


class _Context(FunctionCtx):
    """What the forward pass of :class:`_GatherMatmulScatter` leaves to the backward pass."""

    saved_tensors: tuple[Tensor, Tensor]
    pairs: list[tuple[Tensor, Tensor]]


class _GatherMatmulScatter(torch.autograd.Function):
    """Sum over kernel offsets o of ``features[inputs_o] @ kernels[o]``, added at ``outputs_o``.

    Rows are unique per offset, so index_add_ never adds twice to one row: no atomics, the same
    bits in every run.
    """

    @staticmethod
    def forward(
        ctx: _Context, features: Tensor, kernels: Tensor, pairs: list[tuple[Tensor, Tensor]]
    ) -> Tensor:
        ctx.save_for_backward(features, kernels)
        ctx.pairs = pairs
        return _gather_matmul_scatter(features, kernels, pairs)

    @staticmethod
    @once_differentiable
    def backward(ctx: _Context, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        features, kernels = ctx.saved_tensors
        wide = torch.promote_types(features.dtype, torch.float32)
        grad_features = torch.zeros_like(features, dtype=wide)
        grad_kernels = []
        for kernel, (inputs, outputs) in zip(kernels, ctx.pairs):
            grad_rows = grad.index_select(0, outputs)
            grad_features.index_add_(0, inputs, matmul(grad_rows, kernel.T).to(wide))
            grad_kernels.append(matmul(features.index_select(0, inputs).T, grad_rows))
        return grad_features.to(features.dtype), torch.stack(grad_kernels), None


def _coarse_shape(shape: tuple[int, int, int], factor: int) -> tuple[int, int, int]:
    first, second, third = (-(-side // factor) for side in shape)
    return first, second, third


def _flatten(coords: Tensor, shape: tuple[int, ...]) -> Tensor:
    batch, a, b, c = coords.unbind(1)
    return ((batch * shape[0] + a) * shape[1] + b) * shape[2] + c


def _unflatten(keys: Tensor, shape: tuple[int, int, int]) -> Tensor:
    columns = []
    for side in reversed(shape):
        columns.append(keys % side)
        keys = keys // side
    return torch.stack([keys, *reversed(columns)], dim=1)
