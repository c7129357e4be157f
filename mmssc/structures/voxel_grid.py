"""The grid of voxels that a model predicts: origin, voxel size, shape, axis order, frame."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmssc.errors import DataError

__all__ = ['VoxelGrid']


@dataclass(frozen=True, init=False)
class VoxelGrid:
    """A regular grid of voxels.

    A dense array over the grid has the shape ``shape``, its axes follow ``axes`` and its last
    index runs fastest. ``origin`` is the lower corner of voxel (0, 0, 0), not its centre. All
    attributes except ``frame`` are tuples of three.

    Args:
        origin: Lower corner in metres, one number per array axis, in the order of ``axes``.
        voxel_size: Edge of a voxel in metres, one number or one per axis in the order of ``axes``.
        shape: Number of voxels along each array axis.
        axes: Name of each array axis in ``frame``; ``('x', 'y', 'z')`` means that the first index
            runs along x of the frame.
        frame: Name of the coordinate frame, ``'lidar'`` or ``'world'``.

    Raises:
        DataError: A size is not positive, a number is not finite, or an argument does not have
            three entries.
    """

    origin: tuple[float, float, float]
    voxel_size: tuple[float, float, float]
    shape: tuple[int, int, int]
    axes: tuple[str, str, str]
    frame: str

    # Not generated, because the arguments have wider types than the attributes.
    def __init__(
        self,
        origin: Iterable[float],
        voxel_size: float | Sequence[float],
        shape: Iterable[int],
        axes: Iterable[str] = ('x', 'y', 'z'),
        frame: str = 'lidar',
    ) -> None:
        sizes = voxel_size if isinstance(voxel_size, Sequence) else (voxel_size,) * 3
        fields: dict[str, tuple] = {
            'origin': tuple(float(value) for value in origin),
            'voxel_size': tuple(float(value) for value in sizes),
            'shape': tuple(int(value) for value in shape),
            'axes': tuple(axes),
        }
        for name, value in fields.items():
            if len(value) != 3:
                raise DataError('voxel grid', name, '3 entries', len(value))
            object.__setattr__(self, name, value)
        object.__setattr__(self, 'frame', frame)
        if not all(map(math.isfinite, self.origin)):
            raise DataError('voxel grid', 'origin', 'finite numbers', self.origin)
        for name in ('voxel_size', 'shape'):
            if not all(0 < value < math.inf for value in fields[name]):
                raise DataError('voxel grid', name, 'positive numbers', fields[name])
        if sorted(self.axes) != ['x', 'y', 'z']:
            raise DataError('voxel grid', 'axes', "an order of 'x', 'y', 'z'", self.axes)

    def __str__(self) -> str:
        def joined(numbers: Iterable[float], between: str) -> str:
            return between.join(f'{number:g}' for number in numbers)

        return (
            f'{joined(self.shape, " x ")} voxels of {joined(self.voxel_size, " x ")} m, '
            f'lower corner {joined(self.origin, ", ")}, axes {" ".join(self.axes)} ({self.frame})'
        )

    @classmethod
    def build(cls, grid: VoxelGrid | Mapping[str, Any]) -> VoxelGrid:
        """Return ``grid`` itself, or the grid that a config or info dict describes."""
        if isinstance(grid, VoxelGrid):
            return grid
        return cls(**grid)

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and numbers, for configs and JSON; ``build`` reads them."""
        return {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(self).items()}

    @property
    def upper(self) -> tuple[float, float, float]:
        """Upper corner of the box in metres, in the order of ``axes``."""
        x, y, z = (
            low + size * count for low, size, count in zip(self.origin, self.voxel_size, self.shape)
        )
        return x, y, z

    @property
    def num_voxels(self) -> int:
        """Number of voxels."""
        return self.shape[0] * self.shape[1] * self.shape[2]

    def placed_at(self, corner: Sequence[float] | np.ndarray) -> VoxelGrid:
        """The same grid with its lower corner at ``corner``: x, y, z of the frame, metres."""
        origin = tuple(float(corner['xyz'.index(axis)]) for axis in self.axes)
        return VoxelGrid(origin, self.voxel_size, self.shape, self.axes, self.frame)

    def coarsen(self, factor: int) -> VoxelGrid:
        """The grid over the same box whose voxels are ``factor`` times as long.

        Raises:
            DataError: A side is not a multiple of ``factor``.
        """
        if any(count % factor for count in self.shape):
            raise DataError('voxel grid', 'shape', f'multiples of {factor}', self.shape)
        return VoxelGrid(
            self.origin,
            tuple(size * factor for size in self.voxel_size),
            tuple(count // factor for count in self.shape),
            self.axes,
            self.frame,
        )

    def refine(self, factor: int) -> VoxelGrid:
        """The grid over the same box with ``factor`` times as many voxels along each axis.

        Raises:
            DataError: ``factor`` is not positive.
        """
        if factor < 1:
            raise DataError('voxel grid', 'factor', 'a positive number', factor)
        return VoxelGrid(
            self.origin,
            tuple(size / factor for size in self.voxel_size),
            tuple(count * factor for count in self.shape),
            self.axes,
            self.frame,
        )

    def centers(
        self, dtype: torch.dtype = torch.float32, device: torch.device | str | None = None
    ) -> Tensor:
        """Voxel centres in the grid's frame.

        Returns:
            (num_voxels, 3) in metres, flat in array order, columns **x, y, z of the frame**
            (not of ``axes``): ready for a rigid transform. Computed in ``dtype`` as
            ``origin + voxel_size * (index + 0.5)``.
        """
        columns = [
            torch.tensor(low, dtype=dtype, device=device)
            + torch.tensor(size, dtype=dtype, device=device)
            * (torch.arange(count, device=device).to(dtype) + 0.5)
            for low, size, count in zip(self.origin, self.voxel_size, self.shape)
        ]
        grid = torch.meshgrid(*columns, indexing='ij')
        order = [self.axes.index(name) for name in ('x', 'y', 'z')]
        return torch.stack([grid[axis].reshape(-1) for axis in order], dim=-1)
