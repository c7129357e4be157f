"""The grid of voxels that a model predicts: origin, voxel size, shape, axis order, frame."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmssc.errors import DataError

from .numbers_given import finite_numbers, positive_wholes

__all__ = ['VoxelGrid']

_NAME = 'voxel grid'
# Indices of voxels fit into 31 bits. The fine grid of NYU has 33 million voxels.
_MAX_VOXELS = 2**31 - 1


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
        frame: Name of the coordinate frame: ``'lidar'``, ``'world'``, or ``'carla'``, CARLA's
            lidar frame, which is left-handed (x forward, y right, z up).

    Raises:
        DataError: A size is not positive, a number is not finite, a number of voxels is not whole,
            an argument does not have three entries, or the grid has more than two billion voxels.
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
        is_one = isinstance(voxel_size, str) or not isinstance(voxel_size, Iterable)
        sizes = (voxel_size,) * 3 if is_one or np.ndim(voxel_size) == 0 else voxel_size
        values: dict[str, Any] = {
            'origin': finite_numbers(origin, 3, _NAME, 'origin'),
            'voxel_size': finite_numbers(sizes, 3, _NAME, 'voxel_size'),
            'shape': positive_wholes(shape, 3, _NAME, 'shape'),
            'axes': tuple(axes) if isinstance(axes, Iterable) else (axes,),
            'frame': frame,
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)
        if min(self.voxel_size) <= 0:
            raise DataError(_NAME, 'voxel_size', 'positive numbers', self.voxel_size)
        if self.num_voxels > _MAX_VOXELS:
            raise DataError(_NAME, 'shape', f'at most {_MAX_VOXELS} voxels', self.shape)
        if not all(map(math.isfinite, self.upper)):
            raise DataError(_NAME, 'voxel_size', 'a finite upper corner', self.voxel_size)
        if sorted(map(str, self.axes)) != ['x', 'y', 'z']:
            raise DataError(_NAME, 'axes', "an order of 'x', 'y', 'z'", self.axes)
        if not isinstance(frame, str):
            raise DataError(_NAME, 'frame', "'lidar' or 'world'", frame)

    def __str__(self) -> str:
        def joined(numbers: Iterable[float], between: str) -> str:
            return between.join(f'{number:g}' for number in numbers)

        return (
            f'{joined(self.shape, " x ")} voxels of {joined(self.voxel_size, " x ")} m, '
            f'lower corner {joined(self.origin, ", ")}, axes {" ".join(self.axes)} ({self.frame})'
        )

    @classmethod
    def build(cls, grid: VoxelGrid | Mapping[str, Any]) -> VoxelGrid:
        """Return ``grid`` itself, or the grid that a config or info dict describes.

        Raises:
            DataError: ``grid`` is no dict, has another key, lacks one, or describes no grid.
        """
        if isinstance(grid, VoxelGrid):
            return grid
        if not isinstance(grid, Mapping):
            raise DataError(_NAME, None, 'a grid or a dict of its settings', grid)
        names = [field.name for field in fields(cls)]
        needed = {'origin', 'voxel_size', 'shape'}
        if not needed <= set(grid) <= set(names):
            raise DataError(_NAME, 'settings', names, list(grid))
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
    def is_left_handed(self) -> bool:
        """Whether the frame is left-handed: pictures have to mirror it."""
        return self.frame == 'carla'

    @property
    def num_voxels(self) -> int:
        """Number of voxels."""
        return self.shape[0] * self.shape[1] * self.shape[2]

    def placed_at(self, corner: Sequence[float] | np.ndarray) -> VoxelGrid:
        """The same grid with its lower corner at ``corner``: x, y, z of the frame, metres."""
        origin = tuple(float(corner['xyz'.index(axis)]) for axis in self.axes)
        return VoxelGrid(origin, self.voxel_size, self.shape, self.axes, self.frame)

    def cut(self, first: Sequence[int], shape: Sequence[int]) -> VoxelGrid:
        """The part of the grid with ``shape`` voxels from the voxel ``first`` on.

        Raises:
            DataError: The part leaves the grid.
        """
        stops = [start + count for start, count in zip(first, shape)]
        if min(first) < 0 or any(stop > count for stop, count in zip(stops, self.shape)):
            found = f'voxels {tuple(first)} to {tuple(stops)}'
            raise DataError(_NAME, 'cut', f'a part of {self.shape} voxels', found)
        origin = [
            low + size * start for low, size, start in zip(self.origin, self.voxel_size, first)
        ]
        return VoxelGrid(origin, self.voxel_size, shape, self.axes, self.frame)

    def coarsen(self, factor: int) -> VoxelGrid:
        """The grid over the same box whose voxels are ``factor`` times as long.

        Raises:
            DataError: ``factor`` is not a positive whole number, or a side is not a multiple of it.
        """
        (factor,) = positive_wholes([factor], 1, _NAME, 'factor')
        if any(count % factor for count in self.shape):
            raise DataError(_NAME, 'shape', f'multiples of {factor}', self.shape)
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
            DataError: ``factor`` is not a positive whole number.
        """
        (factor,) = positive_wholes([factor], 1, _NAME, 'factor')
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
