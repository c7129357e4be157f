"""Checks of the calibration and the poses of the drives on disk."""

from __future__ import annotations

from os import PathLike

import numpy as np

from mmssc.datasets.driving_cameras import CROP_OPTION, check_drive
from mmssc.datasets.frame_ranges import describe_frames
from mmssc.errors import DataError
from mmssc.formats.images import read_image_shape
from mmssc.structures import VoxelGrid
from mmssc.structures.camera_causes import likely_units
from mmssc.structures.camera_checks import check_image_size

from .layouts import DrivingLayout

__all__ = [
    'FARTHEST_OFFSET', 'check_baseline', 'check_calibration', 'pose_remarks',
    'samples_without_pose',
]  # fmt: skip

#: The farthest earlier frame that a published model reads.
FARTHEST_OFFSET = 12
# Metres: the distance of two cameras of a car, and the usual one.
_BASELINES, _USUAL_BASELINE = (0.02, 4.0), 0.5


def check_calibration(
    layout: DrivingLayout,
    sequence: str,
    grid: VoxelGrid,
    cropped_images: bool = False,
    crop_option: str = CROP_OPTION,
) -> list[str]:
    """Check the camera of a drive: its first image, the box of voxels, the motion of the car.

    Args:
        layout: The data set.
        sequence: The drive.
        grid: The box of voxels.
        cropped_images: Whether the images are cut out of larger ones, so that the principal point
            can be anywhere.
        crop_option: How the user of the command says this.

    Returns:
        Remarks about what is suspicious.

    Raises:
        DataError: The calibration is missing or cannot be right.
    """
    calibration = layout.calibration(sequence)
    camera = calibration.projection, calibration.lidar2cam
    file = layout.calibration_file(sequence)
    poses = _lidar_poses(layout, sequence)
    remarks: list[str] = []
    size = _image_size(layout, sequence)
    if not file.is_file():
        # KITTI-360: the calibration is in the code, so the images can be wrong, not the file.
        if not cropped_images:
            remarks += _published_size_remarks(calibration.projection, size, crop_option)
        size = None
    fields = 'Tr', 'P2'
    remarks += check_drive(*camera, grid, file, fields, size, poses, cropped_images, crop_option)
    return [f'{sequence}: {remark}' for remark in remarks]


def check_baseline(baseline: float, source: str | PathLike[str], field: str) -> None:
    """Refuse a stereo baseline (metres) that no car has.

    Raises:
        DataError: It is not between 2 cm and 4 m; names the file or option, and the likely unit.
    """
    low, high = _BASELINES
    if not low <= baseline <= high:
        units = ' or '.join(likely_units(baseline, _USUAL_BASELINE))
        hint = f'Is it in {units}?' if units else None
        raise DataError(
            source, field, f'a baseline of {low:g} to {high:g} m', f'{baseline:g} m', hint
        )


def _published_size_remarks(
    projection: np.ndarray, size: tuple[int, int] | None, crop_option: str
) -> list[str]:
    if size is None:
        return []
    try:
        return check_image_size(projection, size, 'published calibration', 'P2', crop_option)
    except DataError as error:
        return [str(error)]


def _image_size(layout: DrivingLayout, sequence: str) -> tuple[int, int] | None:
    for frame in layout.frame_ids(sequence)[:1]:
        try:
            return read_image_shape(layout.left_image(sequence, frame))
        except DataError:
            # The steps that read this image report it.
            return None
    return None


def _lidar_poses(layout: DrivingLayout, sequence: str) -> dict[int, np.ndarray] | None:
    try:
        return layout.lidar_poses(sequence)
    except DataError:
        # The steps that need the poses report it.
        return None


def _is_number(name: str) -> bool:
    # Other scripts have digits, too, and '²' is one that int() refuses.
    return name.isascii() and name.isdigit()


def samples_without_pose(layout: DrivingLayout, sequence: str) -> str | None:
    """Say which samples of a drive have no pose; None if all have one.

    Raises:
        DataError: ``poses.txt`` is missing or damaged.
    """
    samples = [name for name in layout.sample_ids(sequence) if _is_number(name)]
    posed = set(layout.poses(sequence)[0].tolist())
    without = [name for name in samples if int(name) not in posed]
    if not without:
        return None
    text = f'{sequence}: {len(without)} of {len(samples)} samples have no pose in poses.txt'
    return f'{text}: {describe_frames(without)}'


def pose_remarks(layout: DrivingLayout, sequence: str) -> list[str]:
    """What is suspicious about the poses of a drive, beside :func:`samples_without_pose`.

    Raises:
        DataError: ``poses.txt`` is missing or damaged.
    """
    posed = set(layout.poses(sequence)[0].tolist())
    images = [name for name in layout.frame_ids(sequence) if _is_number(name)]
    samples = {int(name) for name in layout.sample_ids(sequence) if _is_number(name)}
    reach = {sample - back for sample in samples for back in range(1, FARTHEST_OFFSET + 1)}
    earlier = [name for name in images if int(name) in reach - samples]
    without = [name for name in earlier if int(name) not in posed]
    remarks = []
    if without:
        text = f'{len(without)} of {len(earlier)} earlier frames have no pose in poses.txt'
        text += f': {describe_frames(without)}; temporal models repeat the sample instead'
        remarks.append(f'{sequence}: {text}')
    last = max(map(int, images), default=0)
    if layout.indexed_poses and images and max(posed) > last:
        text = f'poses.txt goes to frame {max(posed)}, but the images end at {last}'
        remarks.append(f'{sequence}: {text}: are its indices those of the image files?')
    return remarks
