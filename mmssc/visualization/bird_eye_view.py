"""Label volumes from straight above."""

from __future__ import annotations

import numpy as np

from mmssc.structures import VoxelGrid

from .voxel_faces import EMPTY, forward_azimuth, frame_view

__all__ = ['bird_eye_view']


def bird_eye_view(
    labels: np.ndarray,
    grid: VoxelGrid,
    colors: np.ndarray,
    scale: int = 3,
    background: tuple[int, int, int] = (238, 240, 243),
) -> np.ndarray:
    """Colour every column of voxels by its topmost occupied voxel.

    Args:
        labels: Volume over ``grid``, 0 = empty; see ``visible_labels``.
        grid: The grid.
        colors: (K, 3) RGB of each class, 0 to 255; shown unchanged.
        scale: Pixels per voxel.
        background: RGB of empty columns.

    Returns:
        uint8 RGB, forward is up, left is left: (scale * X, scale * Y, 3) in a lidar frame
        (+x is up, +y left), (scale * Y, scale * X, 3) in a world frame (+y is up, +x right).
    """
    volume, _, _ = frame_view(np.asarray(labels), grid)
    occupied = volume != EMPTY
    top = volume.shape[2] - 1 - occupied[:, :, ::-1].argmax(2)
    ids = np.take_along_axis(volume, top[:, :, None], 2)[:, :, 0]
    picture = np.asarray(colors, dtype=np.uint8)[ids]
    picture[~occupied.any(2)] = background
    picture = picture[::-1, ::-1] if forward_azimuth(grid) == 0 else picture.swapaxes(0, 1)[::-1]
    return np.repeat(np.repeat(picture, scale, 0), scale, 1)
