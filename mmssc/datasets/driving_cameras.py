"""Checks of the camera and the poses of a drive."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike

import numpy as np

from mmssc.structures import VoxelGrid
from mmssc.structures.camera_checks import check_image_size
from mmssc.structures.camera_placement import check_road_camera, drive_remarks

__all__ = ['CROP_OPTION', 'check_drive', 'pose_rows']

#: How the converters learn that images are cut out of larger ones.
CROP_OPTION = 'give --cropped-images'


def pose_rows(sequence: Mapping[str, np.ndarray]) -> dict[int, int]:
    """Frame number -> row of its pose, for a sequence of an info file."""
    index = sequence.get('pose_indices')
    frames = range(len(sequence['poses'])) if index is None else index.tolist()
    return {frame: row for row, frame in enumerate(frames)}


def check_drive(
    projection: np.ndarray,
    lidar2cam: np.ndarray,
    grid: VoxelGrid,
    source: str | PathLike[str],
    fields: tuple[str, str] = ('lidar2cam', 'P2'),
    image_size: tuple[int, int] | None = None,
    lidar_poses: Mapping[int, np.ndarray] | None = None,
    cropped_images: bool = False,
    crop_option: str = CROP_OPTION,
) -> list[str]:
    """Check the camera of a drive, and where the car moves.

    Args:
        projection: (3, 4) pixels.
        lidar2cam: (4, 4).
        grid: The box of voxels.
        source: The file, for errors.
        fields: Names of ``lidar2cam`` and ``projection`` in the file, for errors.
        image_size: (height, width) in pixels, if it is known.
        lidar_poses: Frame number -> pose (4, 4) of the lidar in the world, in rising order.
        cropped_images: Whether the images are cut out of larger ones, so that the principal point
            can be anywhere.
        crop_option: How the user of the command says this.

    Returns:
        Remarks about what is suspicious.

    Raises:
        DataError: The camera cannot be right, see :mod:`mmssc.structures.camera_checks` and
            :mod:`mmssc.structures.camera_placement`.
    """
    remarks = []
    if image_size is not None and not cropped_images:
        remarks += check_image_size(projection, image_size, source, fields[1], crop_option)
    remarks += check_road_camera(lidar2cam, projection, grid, source, fields, image_size)
    if lidar_poses:
        poses = np.stack(list(lidar_poses.values()))
        remarks += drive_remarks(poses, np.array(list(lidar_poses)))
    return remarks
