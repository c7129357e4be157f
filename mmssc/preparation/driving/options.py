"""What a preparation is to make, and of which frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmssc.errors import DataError
from mmssc.option_choices import MAX_DISPARITY
from mmssc.structures import VoxelGrid

from .layouts import DrivingLayout

__all__ = ['PreparationOptions', 'frames_of', 'image_ids', 'sample_ids']


@dataclass(frozen=True)
class PreparationOptions:
    """Options of a preparation.

    Args:
        grid: Voxel grid of the ``1_1`` labels.
        splits: Split name -> sequences.
        sequences: Sequences to work on; info files list every sequence of the split on disk.
        label_factors: Pooling factors, including ``1``.
        samples_only: Depth and pseudo-lidar only of frames with a voxel volume.
        depth_from: ``None`` or ``'stereo'`` for stereo matching, or a folder ``SS/FFFFFF.npy|png``.
        depth_kind: Content of that folder, ``'depth'`` (m) or ``'disparity'`` (pixels).
        depth_suffix: ``'.npy'`` or ``'.png'``, format of the files to write.
        max_disparity: Search range of the stereo matching, pixels.
        baseline: Stereo baseline in metres instead of the calibration's.
        max_height: Pseudo-lidar points at this height or above are left out, metres.
        crop_offsets: None, or the frame offsets of a model: keep only points that can be in the
            grid of a sample.
        overwrite: Make results of an earlier run again.
        cropped_images: The images are cut out of larger ones: the principal point can be anywhere.
        shared: Other shards work in the same tree.
    """

    grid: VoxelGrid
    splits: dict[str, Sequence[str]]
    sequences: Sequence[str]
    label_factors: Sequence[int] = (1, 2)
    samples_only: bool = False
    depth_from: str | None = None
    depth_kind: str = 'depth'
    depth_suffix: str = '.npy'
    max_disparity: int = MAX_DISPARITY
    baseline: float | None = None
    max_height: float = 80.0
    crop_offsets: Sequence[int] | None = None
    overwrite: bool = False
    cropped_images: bool = False
    shared: bool = False


def sample_ids(layout: DrivingLayout, sequence: str) -> list[str]:
    """Numbers of the frames with a voxel volume.

    Raises:
        DataError: A file there has another name.
    """
    folder = layout.voxel_file(sequence, '*', '').parent
    return _check_numbers(layout.sample_ids(sequence), folder, '.bin')


def image_ids(layout: DrivingLayout, sequence: str) -> list[str]:
    """Numbers of the frames with an image.

    Raises:
        DataError: A file there has another name.
    """
    folder = layout.left_image(sequence, '*').parent
    return _check_numbers(layout.frame_ids(sequence), folder, '.png')


def _check_numbers(names: list[str], folder: Path, suffix: str) -> list[str]:
    odd = [name for name in names if not (name.isascii() and name.isdigit())]
    if odd:
        expected = f'frame numbers, as in 000000{suffix}'
        raise DataError(folder, 'file names', expected, odd[0], 'Move other files away')
    return names


def frames_of(layout: DrivingLayout, options: PreparationOptions, sequence: str) -> list[str]:
    """Numbers of the frames that get depth and pseudo-lidar."""
    return (sample_ids if options.samples_only else image_ids)(layout, sequence)
