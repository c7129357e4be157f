"""The expected arrays of an RGB-D frame, and the definition of a file format for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Union

import numpy as np

from mmssc.structures import VoxelGrid

__all__ = ['FINE_FACTOR', 'ArrayReader', 'Arrays', 'FrameFormat', 'FramePath', 'FrameSpec']

#: Default number of voxels of the fine grid along the edge of a voxel of the grid.
FINE_FACTOR = 4

FramePath = Union[str, PathLike]
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class FrameSpec:
    """Shapes and ranges that the arrays of a frame must have.

    Args:
        grid: Grid of labels, TSDF and mapping (its origin does not matter).
        image_size: (height, width) of image, segmentation and mapping.
        num_classes: Number of classes, including "empty".
        fine_factor: Voxels of the fine grid along the edge of a voxel of ``grid``.
    """

    grid: VoxelGrid
    image_size: tuple[int, int]
    num_classes: int
    fine_factor: int = FINE_FACTOR

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the volumes (X, Y, Z)."""
        return self.grid.shape

    @property
    def fine_grid(self) -> VoxelGrid:
        """The grid with ``fine_factor`` times as many voxels along each axis."""
        return self.grid.refine(self.fine_factor)

    def placed_grid(self, origin: Sequence[float] | np.ndarray) -> VoxelGrid:
        """The grid with its lower corner at world x, y, z (metres)."""
        return self.grid.placed_at(origin)


#: Reads one array of a file: ``(path, spec) -> array``.
ArrayReader = Callable[[FramePath, FrameSpec], np.ndarray]


@dataclass(frozen=True)
class FrameFormat:
    """How one kind of file stores the arrays of a frame.

    Args:
        keys: Keys of the arrays that such a file can contain.
        read: Reads some of these keys: ``(path, keys, spec) -> arrays by key``. The arrays are
            those of :func:`mmssc.formats.rgbd_frame.read_frame_file`, checked against ``spec``; a
            file that is missing or wrong is a :class:`~mmssc.errors.DataError`.
        made_by_converter: Whether a command of mmssc makes such files; the error for a missing one
            then names it.
    """

    keys: tuple[str, ...]
    read: Callable[[FramePath, Sequence[str], FrameSpec], Arrays]
    made_by_converter: bool = False

    @classmethod
    def of_arrays(cls, **readers: ArrayReader) -> FrameFormat:
        """Make a format whose arrays are read one by one.

        Args:
            readers: Key -> function ``(path, spec) -> array``.
        """

        def read(path: FramePath, keys: Sequence[str], spec: FrameSpec) -> Arrays:
            return {key: readers[key](path, spec) for key in keys}

        return cls(tuple(readers), read)
