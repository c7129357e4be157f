"""The visible voxel faces of a label volume."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from mmssc.errors import DataError
from mmssc.structures import VoxelGrid

__all__ = [
    'FACE_NORMALS', 'VoxelFaces', 'face_corners', 'forward_azimuth', 'frame_view', 'visible_faces',
    'visible_labels',
]  # fmt: skip

EMPTY, IGNORE_INDEX = 0, 255

FACE_NORMALS = np.array(
    [(-1, 0, 0), (1, 0, 0), (0, -1, 0), (0, 1, 0), (0, 0, -1), (0, 0, 1)], dtype=np.int64
)
"""(6, 3) outward normal of each direction, in the order x, y, z of the frame."""


def _corner_table() -> np.ndarray:
    table = np.empty((6, 4, 3), dtype=np.int64)
    square = np.array([(0, 0), (1, 0), (1, 1), (0, 1)])
    for direction in range(6):
        axis, positive = divmod(direction, 2)
        corners = np.zeros((4, 3), dtype=np.int64)
        corners[:, (axis + 1) % 3], corners[:, (axis + 2) % 3] = square.T
        corners[:, axis] = positive
        # Counter-clockwise seen from outside, as mesh formats require.
        table[direction] = corners if positive else corners[::-1]
    return table


_CORNERS = _corner_table()


@dataclass(frozen=True)
class VoxelFaces:
    """F faces of voxels; all index and metre triples are x, y, z of the frame.

    Args:
        voxels: (F, 3) int64 index of the voxel of each face.
        directions: (F,) int64, row of ``FACE_NORMALS``.
        labels: (F,) uint8 class.
        openness: (F,) float32 in 0 to 1: 1 if nothing is around the face, less in corners.
        origin: Lower corner of voxel (0, 0, 0) in metres.
        voxel_size: Edges of a voxel in metres.
    """

    voxels: np.ndarray
    directions: np.ndarray
    labels: np.ndarray
    openness: np.ndarray
    origin: np.ndarray
    voxel_size: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def select(self, keep: np.ndarray) -> VoxelFaces:
        """The faces that a bool mask or an index array selects."""
        return VoxelFaces(
            self.voxels[keep], self.directions[keep], self.labels[keep], self.openness[keep],
            self.origin, self.voxel_size,
        )  # fmt: skip


def frame_view(volume: np.ndarray, grid: VoxelGrid) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """View a volume along x, y, z of the frame, for any array order of the grid.

    Returns:
        The volume as (X, Y, Z), the origin (3,) and the voxel size (3,) in metres, both x, y, z.

    Raises:
        DataError: The volume does not have the grid's shape.
    """
    if tuple(volume.shape) != grid.shape:
        raise DataError('label volume', 'shape', grid.shape, tuple(volume.shape))
    order = [grid.axes.index(name) for name in ('x', 'y', 'z')]
    origin, size = np.array(grid.origin), np.array(grid.voxel_size)
    return volume.transpose(order), origin[order], size[order]


def forward_azimuth(grid: VoxelGrid) -> float:
    """Viewing direction of a sensor in the frame of a grid, degrees from x towards y.

    A lidar frame has x forward, the world of a room (``frame='world'``) has y forward.
    """
    return 90.0 if grid.frame == 'world' else 0.0


def visible_labels(
    labels: np.ndarray,
    mask: np.ndarray | None = None,
    hidden: Collection[int] = (),
    ignore_index: int = IGNORE_INDEX,
) -> np.ndarray:
    """Set all voxels to empty that must not be drawn.

    Args:
        labels: Volume of class ids.
        mask: bool, same shape: the evaluated voxels; others are hidden, because a network is never
            trained there. ``None`` hides none.
        hidden: Classes to hide.
        ignore_index: Value of voxels without a label, always hidden.

    Returns:
        uint8 copy.
    """
    shown = np.array(labels, dtype=np.uint8)
    shown[np.isin(shown, [ignore_index, *hidden])] = EMPTY
    if mask is not None:
        if mask.shape != shown.shape:
            raise DataError('mask of visible voxels', 'shape', shown.shape, mask.shape)
        shown[~np.asarray(mask, dtype=bool)] = EMPTY
    return shown


def _openness(padded: np.ndarray, outside: np.ndarray, axis: int) -> np.ndarray:
    """Share of free cells among the eight cells around the cell in front of a face."""
    first, second = (other for other in range(3) if other != axis)
    count = np.zeros(len(outside), dtype=np.float32)
    for i in (-1, 0, 1):
        for j in (-1, 0, 1):
            if i or j:
                cell = outside.copy()
                cell[:, first] += i
                cell[:, second] += j
                count += padded[tuple(cell.T)]
    return 1 - count / 8


def visible_faces(labels: np.ndarray, grid: VoxelGrid, between_classes: bool = False) -> VoxelFaces:
    """Faces between a voxel and empty space or the end of the grid.

    Args:
        labels: Volume over ``grid``; 0 is empty, all other voxels are drawn (see
            :func:`visible_labels`).
        grid: The grid.
        between_classes: Also keep faces between two classes, so that a viewer can hide classes.
    """
    volume, origin, size = frame_view(np.asarray(labels), grid)
    padded = np.pad(volume, 2)  # For the neighbour and the cells around it.
    occupied = padded != EMPTY
    voxels = np.argwhere(volume != EMPTY)
    ids = volume[tuple(voxels.T)]
    parts = []
    for direction, normal in enumerate(FACE_NORMALS):
        outside = voxels + 2 + normal
        neighbour = padded[tuple(outside.T)]
        shown = neighbour != ids if between_classes else neighbour == EMPTY
        parts.append(
            (
                voxels[shown],
                np.full(int(shown.sum()), direction),
                ids[shown],
                _openness(occupied, outside[shown], direction // 2),
            )
        )
    indices, directions, classes, openness = (np.concatenate(column) for column in zip(*parts))
    return VoxelFaces(indices, directions, classes, openness, origin, size)


def face_corners(faces: VoxelFaces) -> np.ndarray:
    """(F, 4, 3) float64 corners in metres, counter-clockwise seen from outside."""
    corners = faces.voxels[:, None] + _CORNERS[faces.directions]
    return faces.origin + faces.voxel_size * corners
