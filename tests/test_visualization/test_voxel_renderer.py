"""Pictures: palette colours at known pixels, what hides what, cameras."""

from __future__ import annotations

import numpy as np
import pytest

from mmssc.structures import VoxelGrid
from mmssc.visualization import (
    bird_eye_view,
    oblique_camera,
    render_faces,
    render_voxels,
    sensor_camera,
    visible_faces,
    visible_labels,
)
from mmssc.visualization.voxel_renderer import FACE_LIGHT, occupied_boxes

COLORS = np.array([(0, 0, 0), (200, 40, 40), (40, 200, 40)], dtype=np.uint8)
CUBE = VoxelGrid((0.0, -1.0, 0.0), 1.0, (2, 2, 2))


def pixel_of(point, camera, picture) -> tuple[int, ...]:
    size = (picture.shape[1], picture.shape[0])
    place, _ = camera.project(np.array(point, dtype=float), size)
    u, v = np.floor(place).astype(int)
    return tuple(int(value) for value in picture[v, u])


def shaded(label: int, direction: int) -> tuple[int, ...]:
    return tuple(np.round(COLORS[label] * FACE_LIGHT[direction]).astype(int).tolist())


def test_tops_have_the_palette_colour_and_sides_are_darker():
    volume = np.zeros(CUBE.shape, dtype=np.uint8)
    volume[0, 0, 0] = 1
    camera = oblique_camera(CUBE, (400, 300))
    picture = render_voxels(volume, CUBE, COLORS, (400, 300), camera)
    assert picture.shape == (300, 400, 3) and picture.dtype == np.uint8
    assert pixel_of((0.5, -0.5, 1.0), camera, picture) == (200, 40, 40)
    assert pixel_of((0.0, -0.5, 0.5), camera, picture) == shaded(1, 0)
    assert tuple(picture[0, 0]) == (255, 255, 255)


def test_near_voxels_hide_far_ones_whatever_the_camera():
    volume = np.zeros(CUBE.shape, dtype=np.uint8)
    volume[0, :, :], volume[1, :, :] = 1, 2
    for azimuth, front, point, direction in ((0, 1, (0, 0.5, 0.5), 0), (180, 2, (2, 0.5, 0.5), 1)):
        camera = oblique_camera(CUBE, (400, 300), azimuth=azimuth, elevation=5)
        picture = render_voxels(volume, CUBE, COLORS, (400, 300), camera)
        assert pixel_of(point, camera, picture) == shaded(front, direction)


def test_drawing_order_equals_a_depth_test():
    # Every pixel has to show the class of the voxel that its own ray meets first.
    generator = np.random.default_rng(3)
    grid = VoxelGrid((0.0, -3.0, 0.0), 1.0, (6, 6, 4))
    volume = (generator.random(grid.shape) < 0.25).astype(np.uint8)
    volume *= generator.integers(1, 3, grid.shape).astype(np.uint8)
    size = (320, 240)
    camera = oblique_camera(grid, size, azimuth=33)
    picture = render_faces(visible_faces(volume, grid), COLORS, camera, size).astype(int)
    wrong = seen = 0
    for v in range(4, size[1], 7):
        for u in range(4, size[0], 7):
            local = ((np.array([u + 0.5, v + 0.5]) - np.array(camera.center) * size)
                     / (camera.focal * size[1]))  # fmt: skip
            ray = np.array([*local, 1.0]) @ camera.rotation
            steps = camera.eye + np.linspace(8, 40, 4000)[:, None] * ray
            cells = np.floor(steps - grid.origin).astype(int)
            inside = ((cells >= 0) & (cells < grid.shape)).all(1)
            ids = volume[tuple(cells[inside].T)]
            first = ids[ids > 0][0] if (ids > 0).any() else 0
            red, green, blue = picture[v, u]
            shown = 0 if min(red, green, blue) > 230 else 1 if red > green else 2
            seen += first > 0
            wrong += shown != first
    assert seen > 300
    # Pixels on a silhouette are blends.
    assert wrong < 0.06 * seen


def test_oblique_camera_holds_the_whole_grid():
    for grid in (CUBE, VoxelGrid((0, -25.6, -2), 0.2, (256, 256, 32))):
        camera = oblique_camera(grid, (640, 400))
        corners = np.array(np.meshgrid(*zip(grid.origin, grid.upper))).reshape(3, -1).T
        pixels, depth = camera.project(corners, (640, 400))
        assert depth.min() > 0
        assert (pixels >= 0).all() and (pixels <= (640, 400)).all()
        assert np.ptp(pixels, axis=0).max() > 0.5 * 400


def test_sensor_camera_agrees_with_the_projection_of_the_geometry_library(kitti_lidar2cam):
    cam2img = np.array([[70.0, 0, 61], [0, 70, 18], [0, 0, 1]])
    camera = sensor_camera(cam2img, kitti_lidar2cam, (37, 122))
    points = np.array([[10.0, 1.0, -1.0], [20.0, -8.0, 2.0]])
    pixels, depth = camera.project(points, (122, 37))
    local = points @ kitti_lidar2cam[:3, :3].T + kitti_lidar2cam[:3, 3]
    expected = local @ cam2img.T
    np.testing.assert_allclose(pixels, expected[:, :2] / expected[:, 2:], atol=1e-9)
    np.testing.assert_allclose(depth, local[:, 2])


def test_camera_inside_the_volume_draws_only_what_is_in_front(grid, labels, kitti_lidar2cam):
    cam2img = np.array([[60.0, 0, 60], [0, 60, 18], [0, 0, 1]])
    camera = sensor_camera(cam2img, kitti_lidar2cam, (37, 122))
    colors = np.array([(0, 0, 0), (100, 150, 245), (255, 0, 255), (255, 240, 150)])
    faces = visible_faces(visible_labels(labels), grid)
    picture = render_faces(faces, colors, camera, (122, 37))
    assert tuple(picture[0, 60]) == (255, 255, 255)
    assert pixel_of((7.0, 3.0, -0.5), camera, picture)[1] == 0  # Road, whatever its shade.


def test_bird_eye_view_shows_the_topmost_class_unshaded(grid, labels, meta):
    colors = np.array(meta['palette'])
    picture = bird_eye_view(visible_labels(labels), grid, colors, scale=2)
    assert picture.shape == (32, 32, 3)

    def at(x: int, y: int) -> list[int]:
        # Forward is up and left is left: voxel (x, y) counts from the lower right corner.
        return picture[2 * (15 - x), 2 * (15 - y)].tolist()

    assert at(8, 6) == [100, 150, 245]
    assert at(4, 12) == [255, 240, 150]
    assert at(15, 15) == [255, 0, 255]
    assert at(0, 0) == [238, 240, 243]


def test_an_empty_volume_is_a_picture_too():
    picture = render_voxels(np.zeros(CUBE.shape, dtype=np.uint8), CUBE, COLORS, (80, 60))
    assert picture.shape == (60, 80, 3)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 1  # The floor.


@pytest.mark.slow
def test_a_full_volume_takes_less_than_two_seconds():
    import time

    grid = VoxelGrid((0, -25.6, -2), 0.2, (256, 256, 32))
    heights = np.abs(np.add.outer(np.arange(256), np.arange(256)) % 24 - 12)
    volume = (np.arange(32) <= heights[:, :, None]).astype(np.uint8)
    start = time.process_time()
    render_voxels(volume, grid, COLORS)
    assert time.process_time() - start < 2


def test_a_camera_frames_what_is_occupied():
    grid = VoxelGrid((0, 0, 0), 0.08, (60, 36, 60), ('x', 'z', 'y'), 'world')
    labels = np.zeros(grid.shape, np.uint8)
    labels[10:50, :4, 20:40] = 1
    content = occupied_boxes(labels, grid)
    assert content.shape == (32, 3)
    assert np.allclose([content.min(0), content.max(0)], [(0.8, 1.6, 0), (4.0, 3.2, 0.32)])
    size = (640, 400)
    spans = []
    for points in (None, content, occupied_boxes(np.zeros_like(labels), grid)):
        camera = oblique_camera(grid, size, content=points)
        floor = np.array([(0, 0, 0), (4.8, 0, 0), (0, 4.8, 0), (4.8, 4.8, 0)])
        pixels, _ = camera.project(np.concatenate([floor, content]), size)
        assert (pixels >= 0).all() and (pixels <= size).all()
        spans.append(np.ptp(pixels[:, 1]) / size[1])
    assert spans[0] < 0.7 and spans[1] > 0.9 and spans[2] > 0.9
