"""The frustums of an image's cells: the frustum of each voxel, and the classes in each frustum.

The frustum proportion loss (MonoScene, arXiv 2112.00726, section 3.4) divides the image into n x n
cells. A voxel belongs to at most one of them, so one uint8 volume replaces n * n masks, with 1/256
of the memory.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mmssc.errors import DataError
from mmssc.geometry.projection import project_voxels
from mmssc.structures import VoxelGrid

__all__ = ['NO_FRUSTUM', 'assign_frustums', 'count_frustum_classes', 'frustum_index']

#: Index of a voxel outside all frustums.
NO_FRUSTUM = 255


def assign_frustums(
    pixels: Tensor, depth: Tensor, image_size: tuple[int, int], cells: int = 8
) -> Tensor:
    """The cell that holds each projected voxel.

    Cell (row, column) has the index ``row * cells + column``; its borders are
    ``(i / cells) * size`` in float64, the lower one included and the upper one not.

    Args:
        pixels: (..., V, 2) int64, columns (u, v), rounded.
        depth: (..., V) along the optical axis; voxels without a positive depth are in no frustum.
        image_size: (height, width) in pixels.
        cells: Cells along each side of the image.

    Returns:
        (..., V) uint8, :data:`NO_FRUSTUM` outside the image and behind the camera.

    Raises:
        DataError: There are more cells than a uint8 can count.
    """
    if not 1 <= cells * cells <= NO_FRUSTUM:
        raise DataError('frustums', 'cells', 'between 1 and 15 along a side', cells)
    index = torch.zeros(pixels.shape[:-1], dtype=torch.int64, device=pixels.device)
    inside = depth > 0
    for axis, size in ((1, image_size[0]), (0, image_size[1])):
        borders = torch.arange(cells + 1, dtype=torch.float64) / cells * size
        # Pixels are whole numbers: the first pixel of a cell is its border rounded up.
        first = borders.ceil().to(torch.int64).to(pixels.device)
        cell = torch.bucketize(pixels[..., axis].contiguous(), first, right=True) - 1
        inside = inside & (cell >= 0) & (cell < cells)
        index = index * cells + cell
    return index.masked_fill(~inside, NO_FRUSTUM).to(torch.uint8)


def frustum_index(
    grid: VoxelGrid,
    ref2cam: Tensor,
    cam2img: Tensor,
    image_size: tuple[int, int],
    cells: int = 8,
    rule: str = 'monoscene',
) -> Tensor:
    """The frustum of every voxel of a grid, as a volume.

    It depends only on the calibration: compute it once per calibration.

    Args:
        grid: The grid.
        ref2cam: (..., 4, 4), see :func:`project_voxels`.
        cam2img: (..., 3, 3) intrinsics.
        image_size: (height, width) in pixels.
        cells: Cells along each side of the image.
        rule: See :func:`project_voxels`.

    Returns:
        (..., X, Y, Z) uint8, :data:`NO_FRUSTUM` where no cell sees the voxel.
    """
    pixels, depth = project_voxels(grid, ref2cam, cam2img, rule)
    index = assign_frustums(pixels, depth, image_size, cells)
    return index.reshape(*index.shape[:-1], *grid.shape)


def count_frustum_classes(
    index: Tensor, labels: Tensor, num_frustums: int, num_classes: int, ignore_index: int = 255
) -> Tensor:
    """Count the labelled voxels of every class in every frustum.

    Args:
        index: (...) uint8, :data:`NO_FRUSTUM` = none.
        labels: (...) class ids of the same shape.
        num_frustums: F, the number of frustums.
        num_classes: K.
        ignore_index: Id of voxels without a label; they are not counted.

    Returns:
        (F, K) int64.
    """
    counted = (index != NO_FRUSTUM) & (labels != ignore_index)
    bins = index[counted].to(torch.int64) * num_classes + labels[counted].to(torch.int64)
    counts = torch.bincount(bins, minlength=num_frustums * num_classes)
    return counts.view(num_frustums, num_classes)
