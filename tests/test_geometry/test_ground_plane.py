"""The road in a depth map of any unit."""

import numpy as np
import pytest

from mmssc.geometry.ground_plane import find_ground_plane

SIZE = (60, 200)
CAM2IMG = np.array([[120.0, 0, 100], [0, 120, 27], [0, 0, 1]])
CAM2LIDAR = np.array([[0.0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, -0.1], [0, 0, 0, 1]])


def road(slope: float = 0.0, height: float = 1.5) -> np.ndarray:
    """A road 1.5 m below the camera that rises with the slope; 60 m at most."""
    rows = np.arange(SIZE[0])[:, None] - 27.0
    steepness = np.maximum(rows / 120 + slope, height / 60)
    return (height / steepness * np.ones(SIZE)).astype(np.float32)


@pytest.mark.parametrize('scale', [1e-3, 1, 255])
@pytest.mark.parametrize('slope', [-0.06, 0, 0.06])
def test_the_distance_of_the_road(scale, slope):
    plane = find_ground_plane(road(slope) * np.float32(scale), CAM2IMG, CAM2LIDAR)
    assert plane.distance == pytest.approx(1.5 * scale, rel=0.2 if slope else 0.03)
    assert plane.share > 0.9


def test_noise_cars_and_holes():
    random = np.random.default_rng(0)
    depth = road() * random.normal(1, 0.05, SIZE)
    depth[25:, 20:80] = np.minimum(depth[25:, 20:80], 6)
    depth[random.random(SIZE) < 0.5] = np.nan
    plane = find_ground_plane(depth, CAM2IMG, CAM2LIDAR)
    assert plane.distance == pytest.approx(1.5, rel=0.08)
    assert 0.4 < plane.share < 0.8


@pytest.mark.parametrize(
    'depth',
    [
        np.zeros(SIZE),
        np.full(SIZE, 5.0),
        np.where(np.arange(SIZE[0])[:, None] < 30, road(), 0),
        road()[:20],
    ],
    ids=['none', 'wall', 'sky only', 'above the horizon'],
)
def test_no_road(depth):
    assert find_ground_plane(depth, CAM2IMG, CAM2LIDAR) is None


def test_walls_alone_are_no_clear_road():
    random = np.random.default_rng(0)
    for _ in range(20):
        depth = np.repeat(random.uniform(2, 15, 8), 25) * np.ones((SIZE[0], 1))
        plane = find_ground_plane(depth, CAM2IMG, CAM2LIDAR)
        assert plane is None or plane.share < 0.33
