"""The bird's-eye view as a picture: scale, sensor, legend, title."""

from __future__ import annotations

import numpy as np
import pytest

from mmssc.structures import Camera, VoxelGrid
from mmssc.visualization import draw_bird_eye_view
from mmssc.visualization.bird_eye_view import LEFT, TOP, _Plan, _tick_step
from mmssc.visualization.panel import GAP, TITLE_HEIGHT
from mmssc.visualization.voxel_renderer import SENSOR_COLOR

CLASSES, COLORS = ('empty', 'car', 'road'), np.array([(0, 0, 0), (10, 150, 245), (255, 0, 255)])
STREET = VoxelGrid((0.0, -4.0, -1.0), 0.5, (16, 16, 6))
ROOM = VoxelGrid((-1.0, 0.0, 1.0), 0.25, (8, 6, 10), ('x', 'z', 'y'), 'world')
CORNER = np.array([GAP + LEFT, TITLE_HEIGHT + TOP])  # Of the picture in the panel.


def drawn(labels, grid, camera=None, title='x'):
    return draw_bird_eye_view(labels, grid, CLASSES, COLORS, camera, title)


def places_of(picture, color) -> np.ndarray:
    """Pixels (u, v) of a colour within the picture of the grid."""
    return np.argwhere((picture == color).all(2))[:, ::-1] - CORNER


@pytest.mark.parametrize(
    ('grid', 'voxel', 'point'),
    [(STREET, (12, 3, 2), (6.25, -2.25)), (ROOM, (1, 2, 7), (-0.625, 2.875))],
    ids=['street', 'room'],
)
def test_metres_lie_where_the_scale_says(grid, voxel, point):
    labels = np.zeros(grid.shape, dtype=np.uint8)
    labels[voxel] = 1
    plan = _Plan(grid)
    found = places_of(drawn(labels, grid), COLORS[1])
    found = found[(found < plan.size).all(1)]  # Without the legend.
    np.testing.assert_allclose(found.mean(0) + 0.5, plan.place(np.array(point)), atol=0.01)
    assert len(found) == plan.scale**2


def test_the_arrow_shows_the_sensor_and_its_direction():
    labels = np.zeros(STREET.shape, dtype=np.uint8)
    forward = np.array([[0.0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1]])
    cam2img = np.array([[60.0, 0, 60], [0, 60, 18], [0, 0, 1]])
    inside = forward.copy()
    inside[:3, 3] = -forward[:3, :3] @ (4.0, 2.0, 0.0)
    turned = np.array([[1.0, 0, 0, -4], [0, 0, -1, 0], [0, 1, 0, 2], [0, 0, 0, 1]])
    plan = _Plan(STREET)
    for camera, tip, ahead in (
        (None, (0, 0), (0, -1)),  # The origin of the lidar frame, at the lower border.
        (Camera(cam2img, inside, (37, 122)), (4, 2), (0, -1)),
        (Camera(cam2img, turned, (37, 122)), (4, -2), (-1, 0)),  # To the left.
    ):
        arrow = places_of(drawn(labels, STREET, camera), SENSOR_COLOR)
        expected = plan.place(np.array(tip, dtype=float))
        first = arrow[(arrow @ ahead).argmax()]
        assert np.abs(first - expected).max() <= 3
        assert (arrow.mean(0) - expected) @ ahead < -5
    room = np.zeros(ROOM.shape, dtype=np.uint8)
    assert not len(places_of(drawn(room, ROOM), SENSOR_COLOR))


def test_title_and_legend_are_drawn():
    labels = np.zeros(STREET.shape, dtype=np.uint8)
    picture = drawn(labels, STREET)
    for color in COLORS[1:]:
        assert (picture == color).all(2).any()
    assert (picture != drawn(labels, STREET, title='another name')).any()


@pytest.mark.parametrize(
    ('length', 'step'), [(51.2, 10), (4.8, 1), (0.9, 0.2), (7.0, 1), (3000, 500)]
)
def test_marks_are_round_and_few(length, step):
    assert _tick_step(length) == pytest.approx(step)
