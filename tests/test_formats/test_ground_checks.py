"""The scale of real and synthetic streets is right, and a wrong one is refused."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mmssc.errors import DataError
from mmssc.formats.depth_units import check_road_depth
from mmssc.formats.ground_checks import DepthView, check_road_scale
from mmssc.formats.images import read_rgb
from mmssc.formats.kitti import read_velodyne
from mmssc.geometry.ground_plane import find_ground_plane
from mmssc.geometry.stereo import stereo_disparity
from mmssc.preparation import SemanticKITTILayout
from mmssc.preparation.driving.depth_check import project_lidar
from mmssc.structures import VoxelGrid
from mmssc.synthetic.streets.drive import DriveSettings, SyntheticDrive

Map = tuple[str, np.ndarray, DepthView]


def check_scales(maps: Iterator[Map], margin: float) -> None:
    """Right depth passes, with a margin; a factor of 1.8 or more is refused."""
    for name, depth, view in maps:
        with warnings.catch_warnings():
            warnings.simplefilter('error')
            check_road_depth(name, depth, view)
        plane = find_ground_plane(depth, view.cam2img, view.cam2ref)
        road = view.ground_below
        low, high = road.smallest / margin, road.largest_of_cars * margin
        assert low < plane.distance < high and plane.share > 0.5, name
        for factor in (1 / 5, 0.256, 1 / 2, 1 / 1.8, 1.8, 2, 5, 10):
            with pytest.raises(DataError, match=f'{name}: depth: expected ground .* times too'):
                check_road_scale(name, depth * np.float32(factor), view, {})


def test_synthetic_streets():
    def maps() -> Iterator[Map]:
        for sequence in ('00', '08'):
            drive = SyntheticDrive(sequence, DriveSettings(frames=4, frame_step=15))
            view = DepthView(drive.calib['P2'], np.linalg.inv(drive.lidar2cam), drive.settings.grid)
            for frame in range(4):
                yield f'{sequence}/{frame}', drive.render(frame).depth, view

    check_scales(maps(), 1.05)


def test_real_streets(real_frames: Path):
    grid = VoxelGrid((0, -25.6, -2), 0.2, (256, 256, 32))
    layout = SemanticKITTILayout(real_frames)

    def maps() -> Iterator[Map]:
        for sequence, frame in (('00', '000000'), ('08', '000005')):
            calibration, view = layout.calibration(sequence), layout.depth_view(sequence, grid)
            left = read_rgb(layout.left_image(sequence, frame))
            disparity = stereo_disparity(left, read_rgb(layout.right_image(sequence, frame)))
            near = calibration.baseline_focal / np.maximum(disparity, 1e-3)
            yield f'stereo {sequence}', np.where(disparity > 0, near, 0), view
            scan = layout.left_image(sequence, frame).parents[1] / f'velodyne/{frame}.bin'
            pixels, depth = project_lidar(
                read_velodyne(scan), calibration.lidar2cam, calibration.projection,
                left.shape[:2], 80,
            )  # fmt: skip
            sparse = np.zeros(left.shape[:2], np.float32)
            sparse[pixels[:, 1], pixels[:, 0]] = depth
            yield f'lidar {sequence}', sparse, view

    check_scales(maps(), 1.15)


@pytest.mark.parametrize('bottom', [-1.0, 0.0])
def test_a_frame_whose_origin_is_on_the_road(bottom: float):
    depth, view = ego_view(bottom)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        check_road_depth('ego', depth, view)
    for factor in (1 / 2, 3):
        with pytest.raises(DataError, match='ego: depth: expected ground .* times too'):
            check_road_scale('ego', depth * np.float32(factor), view, {})


def test_the_box_of_kitti_in_a_frame_whose_origin_is_on_the_road():
    depth, view = ego_view(-2.0)
    with pytest.raises(DataError, match='wrong unit, pose or intrinsics'):
        check_road_depth('ego', depth, view)


@pytest.mark.parametrize(
    ('above_lidar', 'bottom'), [(0, -10), (0, -5), (0, -3), (1.73, -5), (1.73, -3), (1.73, -1)]
)
def test_a_deep_box_hides_no_wrong_scale_of_a_car(above_lidar: float, bottom: float):
    depth, view = ego_view(bottom, above_lidar)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        check_road_depth('car', depth, view)
        for factor in (1.8, 2, 3):
            text = f'ground about 1.[67] m below .* {factor:.1f} times too large'
            with pytest.raises((DataError, UserWarning), match=text):
                check_road_depth('car', depth * np.float32(factor), view)
    # Right for a truck whose camera and lidar are at 5 m: no error.
    if (above_lidar, bottom) == (0, -5):
        with pytest.warns(UserWarning, match='Or is the camera higher than that of a car?'):
            check_road_depth('truck', depth * np.float32(3), view)


@pytest.mark.parametrize(
    ('above_lidar', 'bottom', 'too_large', 'too_small'),
    [
        (0, -2, (1.5, 1.8), (1.5, 1.8)),
        (0, -2.5, (1.5, 2.5), (1.5, 1.8)),
        (0, -5, (1.5, 5), (1.5, 1.8)),
        (0, -10, (1.5, 10), (1.5, 1.8)),
        (0, -1.5, (1.5, 2), (2, 2.5)),
        (0, -1, (1.5, 2), (3, 4)),
        (0, -0.5, (1.5, 2), (7, 10)),
        (1.73, 0, (1.5, 2), (2, 2)),
        (1.73, -5, (1.5, 7), (1.5, 2)),
        (1.73, -10, (1.5, 10), (1.5, 2)),
    ],
)
def test_the_factors_of_the_conventions(above_lidar, bottom, too_large, too_small):
    """The table of docs/en/conventions.md: a warning and an error from these factors on."""
    depth, view = ego_view(bottom, above_lidar)
    for unusual, impossible in (too_large, [1 / factor for factor in too_small]):
        with pytest.raises((DataError, UserWarning), match='times too'), warnings.catch_warnings():
            warnings.simplefilter('error')
            check_road_depth('car', depth * np.float32(unusual), view)
        with pytest.raises(DataError, match='times too'):
            check_road_depth('car', depth * np.float32(impossible), view)


def test_a_box_far_above_the_origin_says_where_the_road_is():
    depth, view = ego_view(3.0, above_lidar=5.0)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        check_road_depth('map', depth, view)
    with pytest.warns(UserWarning, match='map: depth: expected ground .* 3.0 times too large'):
        check_road_depth('map', depth * np.float32(3), view)


def ego_view(bottom: float, above_lidar: float = 1.73) -> tuple[np.ndarray, DepthView]:
    """A depth map, and the view in a frame below the lidar, with a box from ``bottom`` on, metres.

    The origin of the usual frame is on the road.
    """
    drive = SyntheticDrive('00', DriveSettings(frames=1))
    cam2ego = np.linalg.inv(drive.lidar2cam)
    cam2ego[2, 3] += above_lidar
    grid = VoxelGrid((0, -25.6, bottom), 0.2, (256, 256, 32))
    return drive.render(0).depth, DepthView(drive.calib['P2'], cam2ego, grid)
