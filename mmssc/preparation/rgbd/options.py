"""What the shared options of the RGB-D converters stand for: volume, camera, result folder."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmssc.datasets.nyu import NYUDataset
from mmssc.errors import DataError
from mmssc.formats.matrices import camera_matrix
from mmssc.formats.rgbd_format import FrameSpec
from mmssc.formats.sscnet import NYU_CAMERAS, NYU_IMAGE_SIZE
from mmssc.preparation.folder_settings import claim_folder
from mmssc.structures import VoxelGrid
from mmssc.structures.camera_checks import as_intrinsics, check_image_size

from .parsers import Camera

__all__ = ['check_camera', 'claim_results', 'scaled_camera', 'spec_of']


def scaled_camera(camera: str | Camera, image_size: Sequence[int]) -> Camera:
    """A named camera is for 480 x 640 pixels and is scaled to the image."""
    if not isinstance(camera, str):
        return camera
    down, across = (new / old for new, old in zip(image_size, NYU_IMAGE_SIZE))
    fx, fy, cx, cy = NYU_CAMERAS[camera]
    return fx * across, fy * down, cx * across, cy * down


def check_camera(
    camera: Camera, image_size: Sequence[int], option: str, crop_option: str | None = None
) -> list[str]:
    """Check fx, fy, cx, cy against the size of the images.

    Args:
        camera: fx, fy, cx, cy in pixels.
        image_size: (height, width) in pixels.
        option: The option of the command that gives the camera.
        crop_option: How the user says that images are crops, for the error.

    Returns:
        Remarks about what is suspicious.

    Raises:
        DataError: They cannot be the intrinsics of such images; it names the option.
    """
    size = (image_size[0], image_size[1])
    matrix = as_intrinsics(camera_matrix(camera), 'command line', option)
    remarks = check_image_size(matrix, size, 'command line', option, crop_option)
    return [f'{option}: {remark}' for remark in remarks]


def spec_of(arguments: argparse.Namespace) -> FrameSpec:
    """Grid, image size and classes of a command line."""
    grid = NYUDataset.METAINFO['voxel_grid']
    size = (arguments.voxel_size,) * 3
    volume = VoxelGrid(grid['origin'], size, arguments.grid_shape, grid['axes'], grid['frame'])
    classes = len(NYUDataset.METAINFO['classes'])
    return FrameSpec(volume, tuple(arguments.image_size), classes, arguments.fine_factor)


def claim_results(
    folder: Path,
    recipe: Mapping[str, Any],
    arguments: argparse.Namespace,
    hint: str = 'Give another --out',
    suffixes: Sequence[str] = ('.npz', '.npy'),
) -> None:
    """Prepare a folder for results; files of others are never changed.

    Args:
        folder: The folder.
        recipe: Settings of the results.
        arguments: With ``overwrite`` (make results of this command again) and ``shard``.
        hint: What to do if the folder has files of another origin.
        suffixes: File name endings of results.

    Raises:
        DataError: The folder has files of another origin or of other settings.
    """
    elsewhere = ', or write to another folder with --out ANOTHER'
    overwrite, shared = arguments.overwrite, arguments.shard is not None
    if not claim_folder(folder, recipe, suffixes, overwrite, elsewhere, shared):
        raise DataError(
            folder, 'files', 'no files, or files of this command', 'files of another origin',
            hint,
        )  # fmt: skip
