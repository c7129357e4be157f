"""Tiny raw trees for the converter tests: closed-form stereo, random labels, a moving car."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from mmssc.datasets import SemanticKITTIDataset, SSCBenchKITTI360Dataset
from mmssc.formats.kitti import (
    write_calib,
    write_indexed_poses,
    write_poses,
    write_raw_labels,
    write_voxel_bits,
)
from mmssc.preparation import SemanticKITTILayout, prepare_driving

HEIGHT, WIDTH, DISPARITY = 48, 160, 8
FOCAL, CENTER_U, CENTER_V = 50.0, 80.0, 24.0
# 8 pixels of disparity are 5 m.
BASELINE_FOCAL, DEPTH = 40.0, 5.0
GRID = (16, 16, 2)
GRID_OPTIONS = ['--grid-shape', '16', '16', '2', '--voxel-size', '3.2']
# Camera axes (x right, y down, z forward) from lidar axes (x forward, y left, z up), and a shift.
LIDAR_TO_CAMERA = np.array([[0.0, -1, 0, 0.0], [0, 0, -1, -0.08], [1, 0, 0, -0.27], [0, 0, 0, 1]])
# Metres a frame, more than a voxel.
SPEED = 5.0
DRIVE = '2013_05_28_drive_0006_sync'


def projection(shift: float, shift_v: float = 0.0) -> np.ndarray:
    return np.array([[FOCAL, 0, CENTER_U, shift], [0, FOCAL, CENTER_V, shift_v], [0, 0, 1, 0]])


def save_png(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


def write_stereo_pair(
    left: Path, right: Path, seed: int, size: tuple[int, int] = (HEIGHT, WIDTH)
) -> None:
    shape = (size[0], size[1] + DISPARITY, 3)
    texture = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    save_png(left, texture[:, : size[1]])
    save_png(right, texture[:, DISPARITY:])


def write_voxels(folder: Path, frame: str, learning_map: dict, seed: int) -> None:
    rng = np.random.default_rng(seed)
    ids = np.array(sorted(learning_map))
    raw = np.where(rng.random(GRID) < 0.5, 0, rng.choice(ids, GRID)).astype(np.uint16)
    write_raw_labels(folder / f'{frame}.label', raw)
    write_voxel_bits(folder / f'{frame}.invalid', rng.random(GRID) < 0.3)
    write_voxel_bits(folder / f'{frame}.bin', raw > 0)


def semantic_kitti_tree(
    root: Path,
    frames: dict[str, int],
    labelled: bool = True,
    size: tuple[int, int] = (HEIGHT, WIDTH),
) -> Path:
    """``frames``: sequence -> number of images; every second one has a voxel volume."""
    scale = np.diag([size[1] / WIDTH, size[0] / HEIGHT, 1])
    for number, (sequence, count) in enumerate(frames.items()):
        folder = root / 'dataset' / 'sequences' / sequence
        calib = {
            'P2': scale @ projection(5.0, 1.0),
            'P3': scale @ projection(5.0 - BASELINE_FOCAL),
            'Tr': LIDAR_TO_CAMERA[:3],
        }
        write_calib(folder / 'calib.txt', calib)
        poses = np.tile(np.eye(4), (count, 1, 1))
        poses[:, 2, 3] = SPEED * np.arange(count)
        write_poses(folder / 'poses.txt', poses)
        for frame in range(count):
            name = f'{frame:06d}'
            images = [folder / f'image_{side}' / f'{name}.png' for side in (2, 3)]
            write_stereo_pair(*images, seed=100 * number + frame, size=size)
            if frame % 2 == 0:
                learning_map = SemanticKITTIDataset.METAINFO['learning_map']
                write_voxels(folder / 'voxels', name, learning_map, 100 * number + frame)
                if not labelled:
                    (folder / 'voxels' / f'{name}.label').unlink()
    return root


def kitti360_tree(root: Path, count: int = 4) -> Path:
    folder = root / 'data_2d_raw' / DRIVE
    poses = np.tile(np.eye(4), (count, 1, 1))
    poses[:, 0, 3] = 1.1 * np.arange(count)
    # Frame 1 has no pose.
    index = np.array([n for n in range(count) if n != 1])
    write_indexed_poses(folder / 'poses.txt', index, poses[index])
    learning_map = SSCBenchKITTI360Dataset.METAINFO['learning_map']
    for frame in range(count):
        name = f'{frame:06d}'
        images = [folder / f'image_0{side}' / 'data_rect' / f'{name}.png' for side in (0, 1)]
        write_stereo_pair(*images, seed=frame)
        if frame % 2 == 0:
            write_voxels(folder / 'voxels', name, learning_map, frame)
    return root


def snapshot(root: Path) -> dict[str, tuple[bytes, int]]:
    """Relative path -> content and time of change of every file, hidden ones too."""
    return {
        path.relative_to(root).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(root.rglob('*'))
        if path.is_file()
    }


def contents(root: Path) -> dict[str, bytes]:
    return {name: content for name, (content, _) in snapshot(root).items()}


def raw_tree(root: Path) -> Path:
    """Five frames of a training and three of the validation sequence."""
    return semantic_kitti_tree(root, {'00': 5, '08': 3})


def prepared_tree(root: Path) -> Path:
    assert run_here(raw_tree(root)) == 0
    return root


def run_here(root: Path, *options: str, layout: type = SemanticKITTILayout) -> int:
    arguments = [str(root), *GRID_OPTIONS, '--workers', '1', '--max-disparity', '16', *options]
    return prepare_driving(layout, 'test', arguments)


def break_image(root: Path) -> str:
    path = root / 'dataset/sequences/08/image_2/000001.png'
    path.write_bytes(path.read_bytes()[:900])
    return 'image_2/000001.png'
