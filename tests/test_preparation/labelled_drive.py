"""A drive of three labelled scans of a known scene, and the command that makes its targets."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mmssc.formats.kitti import (
    read_raw_labels,
    read_voxel_bits,
    write_calib,
    write_poses,
    write_velodyne,
)
from mmssc.formats.point_labels import write_point_labels
from mmssc.preparation.lidar.command import prepare_lidar_targets

SHAPE = (16, 16, 4)
GRID = ['--grid-shape', '16', '16', '4', '--voxel-size', '1', '--grid-origin', '0', '-8', '-2']
LIDAR_TO_CAMERA = np.array([[0.0, -1, 0, 0.0], [0, 0, -1, -0.08], [1, 0, 0, -0.27], [0, 0, 0, 1]])
ROAD, CAR, MOVING_CAR, UNLABELLED, WALL = 40, 10, 252, 0, 50
SEQUENCES = 'dataset/sequences'


def run(root: Path, *options: object) -> int:
    """Run the command in this process."""
    arguments = [str(root), *GRID, '--every', '1', '--workers', '1', *map(str, options)]
    return prepare_lidar_targets('', arguments)


def scan_of(frame: int) -> tuple[np.ndarray, np.ndarray]:
    """Points in the lidar frame, and labels. The car moves 2 m ahead along x a frame."""
    wall = [(10.5 - 2 * frame, y + 0.5, z + 0.5) for y in range(-3, 3) for z in (-1, 0)]
    # One voxel that the scans disagree about, twice as often ROAD in the two later scans.
    shared = [(5.5 - 2 * frame, 6.5, -1.5)] * (3 if frame == 0 else 2)
    moving = [(4.5, -6.5 + frame, -0.5)]
    noise = [(3.5, 3.5, 0.5)]
    labels = [WALL] * len(wall) + [CAR if frame == 0 else ROAD] * len(shared)
    return np.array(wall + shared + moving + noise), np.array([*labels, MOVING_CAR, UNLABELLED])


def write_drive(root: Path) -> None:
    """Write three scans, 2 m apart, with labels and camera poses."""
    folder = root / SEQUENCES / '00'
    lidar = np.tile(np.eye(4), (3, 1, 1))
    lidar[:, 0, 3] = (0, 2, 4)
    write_poses(folder / 'poses.txt', LIDAR_TO_CAMERA @ lidar @ np.linalg.inv(LIDAR_TO_CAMERA))
    write_calib(folder / 'calib.txt', {'Tr': LIDAR_TO_CAMERA})
    for frame in range(3):
        points, labels = scan_of(frame)
        write_velodyne(folder / f'velodyne/{frame:06d}.bin', points)
        write_point_labels(folder / f'labels/{frame:06d}.label', labels)


def read(root: Path, frame: str = '000000') -> dict[str, np.ndarray]:
    path = root / SEQUENCES / '00/voxels' / frame
    masks = {name: read_voxel_bits(f'{path}.{name}', SHAPE)
             for name in ('bin', 'invalid', 'occluded')}  # fmt: skip
    return dict(masks, label=read_raw_labels(f'{path}.label', SHAPE))
