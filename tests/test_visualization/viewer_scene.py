"""A small street that the tests of the viewer look at."""

from __future__ import annotations

import numpy as np

from mmssc.structures import Camera, VoxelGrid
from mmssc.visualization import PageFrame

GRID = VoxelGrid((0.0, -4.0, -1.0), 0.5, (16, 16, 6))
CLASSES = ('empty', 'car', 'road', 'pole')
COLORS = np.array([(0, 0, 0), (100, 150, 245), (255, 0, 255), (255, 240, 150)])
LIDAR2CAM = np.array([[0.0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 3], [0, 0, 0, 1]])
CAMERA = Camera(np.array([[60.0, 0, 60], [0, 60, 18], [0, 0, 1]]), LIDAR2CAM, (37, 122))
SENSOR = np.array([-3.0, 0.0, 0.0])
IMAGE = np.full((37, 122, 3), (20, 200, 90), dtype=np.uint8)


def make_truth() -> np.ndarray:
    """A road with a car in its middle, a pole, and a corner without labels."""
    volume = np.zeros(GRID.shape, dtype=np.uint8)
    volume[:, :, 0] = 2
    volume[6:10, 6:10, 1:3] = 1
    volume[4, 12, 1:5] = 3
    volume[:3, :3] = 255
    return volume


def make_prediction(truth: np.ndarray) -> np.ndarray:
    """Without the pole, with a block too many, and half of the car as pole."""
    volume = np.where(truth == 3, 0, truth)
    volume[12:14, 3:5, 1:4] = 1
    volume[6:8, 6:10, 1:3] = 3
    volume[:3, :3, :3] = 1
    return volume.astype(np.uint8)


def make_frames(count: int = 2) -> list[PageFrame]:
    truth = make_truth()
    prediction = make_prediction(truth)
    return [
        PageFrame(
            f'08/{number:06d}',
            {'prediction': np.roll(prediction, number, 1), 'ground truth': truth},
            GRID, IMAGE, CAMERA,
        )
        for number in range(count)
    ]  # fmt: skip
