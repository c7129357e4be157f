from __future__ import annotations

import numpy as np
import pytest

from mmssc.preparation.driving.depth_check import compare_depth, draw_depth_check, project_lidar

LIDAR_TO_CAMERA = np.array([[0.0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, -0.5], [0, 0, 0, 1]])
PROJECTION = np.array([[10.0, 0, 20, 5], [0, 10, 8, 0], [0, 0, 1, 0]])


def test_projection_of_known_points() -> None:
    points = np.array(
        [
            [10.5, 0, 0, 0.3],  # straight ahead at 10 m: u = 20 + 5 / 10
            [5.5, 1, 0, 0],  # one metre to the left at 5 m: u = (-10 + 100 + 5) / 5
            [-3, 0, 0, 0],  # behind
            [10.5, 30, 0, 0],  # outside the image
            [70, 0, 0, 0],  # too far
        ],
        np.float32,
    )
    pixels, depth = project_lidar(points, LIDAR_TO_CAMERA, PROJECTION, (16, 40), 51.2)
    assert pixels.tolist() == [[20, 8], [19, 8]]
    assert depth.tolist() == [10, 5]


def test_errors_of_a_known_map() -> None:
    depth = np.zeros((4, 5), np.float32)
    depth[0] = [10, 10.4, 10.8, 12, 0]
    pixels = np.array([[u, 0] for u in range(5)])
    errors = compare_depth(depth, pixels, np.full(5, 10.0))
    assert errors.num_points == 5
    assert errors.valid == pytest.approx(0.8)
    assert errors.median_relative == pytest.approx(0.06, abs=1e-6)
    assert errors.median_signed == pytest.approx(0.06, abs=1e-6)
    assert errors.within_10_percent == pytest.approx(0.75)
    black = np.zeros((4, 5, 3), np.uint8)
    picture = draw_depth_check(black, depth, pixels, np.full(5, 10.0), 51.2)
    assert picture.shape == (8, 5, 3)
    assert picture[0].tolist()[:3] == [[0, 200, 0], [0, 200, 0], [255, 200, 0]]
    assert picture[0, 3].tolist() == [230, 0, 0] and picture[0, 4].tolist() == [150, 150, 150]
    assert not picture[5:].any()


def test_a_map_without_depth_has_no_errors() -> None:
    errors = compare_depth(np.zeros((2, 2)), np.array([[0, 0]]), np.array([3.0]))
    assert errors.valid == 0 and np.isnan(errors.median_relative)
