"""Depth of a wrong unit: what is refused, what is reported, and what must pass."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest

from mmssc.errors import DataError
from mmssc.formats.depth_units import (
    DepthView,
    check_ground,
    check_measured,
    check_road_depth,
    check_room_depth,
    read_metres,
    rotated_units,
    scale_units,
    unit_hint,
)
from mmssc.formats.numpy_arrays import read_npy
from mmssc.formats.sscnet import encode_nyu_depth
from mmssc.structures import VoxelGrid

GRID = VoxelGrid((0, -25.6, -2), 0.8, (64, 64, 8))
SIZE = (60, 200)
CAM2IMG = np.array([[120.0, 0, 100], [0, 120, 27], [0, 0, 1]])
# Camera axes (x right, y down, z forward) to lidar axes (x forward, y left, z up).
CAM2LIDAR = np.array([[0.0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, -0.1], [0, 0, 0, 1]])
ROAD_VIEW = DepthView(CAM2IMG, CAM2LIDAR, GRID)
HEIGHT = 1.65


def road(height: float = HEIGHT) -> np.ndarray:
    """Depth of a flat road with a wall 40 m ahead and a car at 8 m, metres."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    with np.errstate(divide='ignore'):
        ground = np.where(rows > 27, height * 120 / (rows - 27), 40)
    car = (rows > 25) & (np.abs(columns - 60) < 20)
    return np.minimum(np.minimum(ground, 40), np.where(car, 8, 40)).astype(np.float32)


def room() -> np.ndarray:
    rows = np.mgrid[:60, :80][0]
    return np.where(rows < 30, 3, 3 - (rows - 30) * 0.05).astype(np.float32)


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        yield


# --- roads ----------------------------------------------------------------------------------


@pytest.mark.parametrize('height', [1.2, 1.65, 2.1])
@pytest.mark.parametrize('name', ['a.png', 'a.npy', 'scene 0'])
def test_right_depth_of_a_road_passes(height, name):
    check_road_depth(name, road(height), ROAD_VIEW)
    sparse = np.where(np.random.default_rng(0).random(SIZE) < 0.05, road(height), 0)
    check_road_depth(name, sparse, ROAD_VIEW)
    check_road_depth(name, road(height))
    # A wall just ahead, and a hole where the road was.
    check_road_depth(name, np.minimum(road(height), 3), ROAD_VIEW)
    check_road_depth(name, np.where(np.arange(60)[:, None] < 40, road(height), 0), ROAD_VIEW)


ROADS = [
    ('a.png', road() * 1000 / 256, 'ground .*It fits with values in millimetres. Save metres'),
    ('a.png', road() * 5000 / 256, 'It fits with .*values in 1/5000 m'),
    ('a.png', road() * 8000 / 256, 'It fits with .*values in 1/8000 m'),
    ('a.npy', road() * 1000, '10.. times too large .*values in millimetres'),
    ('a.npy', road() * 100, 'It fits with values in centimetres'),
    ('a.npy', road() * 256, 'It fits with values in 1/256 m'),
    ('a.npy', 100 / road(), 'disparity, not depth'),
    ('a.npy', 30 / road(), 'disparity, not depth'),
    ('a.png', road() / road().max(), 'at most 1 m .normalised'),
    ('a.png', road() / 256, 'normalised, relative or 8-bit'),
    ('a.npy', road() / 1000, 'normalised'),
    ('a.npy', road() * 0, 'at least one pixel with depth, found none'),
    ('a.png', road() * 0 + 65535 / 256, 'none: all are 65535'),
]  # fmt: skip


@pytest.mark.parametrize(('name', 'depth', 'message'), ROADS)
def test_wrong_depth_of_a_road_is_refused(name, depth, message):
    with pytest.raises(DataError, match=f'^{name}: depth: .*{message}'):
        check_road_depth(name, depth.astype(np.float32), ROAD_VIEW)


def test_ground_below_the_grid_without_a_unit_that_fits_is_a_warning():
    noise = np.random.default_rng(0).uniform(3, 60, SIZE).astype(np.float32)
    with pytest.warns(UserWarning, match='a.npy: depth: expected ground near .*wrong unit'):
        check_road_depth('a.npy', noise, ROAD_VIEW)


@pytest.mark.parametrize('name', ['a.png', 'a.npy', 'scene 0'])
@pytest.mark.parametrize('factor', [0.1, 0.2, 0.256, 0.5, 1 / 1.8, 1.8, 2, 3, 5, 10])
def test_a_wrong_scale_of_a_road_is_refused(name, factor):
    with pytest.raises(DataError, match=f'^{name}: depth: expected ground about 1.6 m ') as caught:
        check_road_depth(name, road() * np.float32(factor), ROAD_VIEW)
    times, size = re.search('about ([0-9.]+) times too (small|large)', str(caught.value)).groups()
    assert size == ('large' if factor > 1 else 'small')
    assert float(times) == pytest.approx(max(factor, 1 / factor), rel=0.05)


@pytest.mark.parametrize(
    ('name', 'factor', 'unit'),
    [
        ('a.png', 100 / 256, 'centimetres'),
        ('a.npy', 10, 'decimetres'),
        ('a.npy', 0.256, '1/256 m, divided by 1000'),
        ('a.npy', 5, '1/5000 m, divided by 1000'),
        ('a.npy', 1000 / 256, '1/1000 m, divided by 256'),
    ],
)
def test_the_unit_that_fits_is_named(name, factor, unit):
    with pytest.raises(DataError, match=f'It fits with .*values in {unit}'):
        check_road_depth(name, road() * np.float32(factor), ROAD_VIEW)


def test_an_unusual_scale_is_a_warning():
    with pytest.warns(UserWarning, match='a.npy: .* 1.5 times too small .wrong unit, pose'):
        check_road_depth('a.npy', road() / np.float32(1.5), ROAD_VIEW)
    # Cars and walls hide most of the road.
    hidden = np.where(np.arange(SIZE[1]) < 125, np.minimum(road(), 4), road()) / 2
    with pytest.warns(UserWarning, match='a.npy: .* 2.0 times too small'):
        check_road_depth('a.npy', hidden.astype(np.float32), ROAD_VIEW)


def test_the_scale_of_a_sloping_road_and_of_another_box():
    tilt = np.deg2rad(4)
    turn = np.array([[np.cos(tilt), 0, np.sin(tilt)], [0, 1, 0], [-np.sin(tilt), 0, np.cos(tilt)]])
    pose = CAM2LIDAR.copy()
    pose[:3, :3] = turn @ pose[:3, :3]
    check_road_depth('a.npy', road(), DepthView(CAM2IMG, pose, GRID))
    with pytest.raises(DataError, match='too small'):
        check_road_depth('a.npy', road() / 2, DepthView(CAM2IMG, pose, GRID))
    for origin in (-1.8, -2.5, -3.0, -4.0):
        check_road_depth(
            'a.npy', road(), DepthView(CAM2IMG, CAM2LIDAR, GRID.placed_at((0, 0, origin)))
        )
    # A frame on the road, below the camera.
    pose = CAM2LIDAR.copy()
    pose[2, 3] = HEIGHT
    check_road_depth('a.npy', road(), DepthView(CAM2IMG, pose, GRID.placed_at((0, 0, -0.2))))


def test_remedies_of_disparities():
    with pytest.raises(DataError, match='Give --depth-kind disparity$'):
        check_road_depth('a.npy', 100 / road(), ROAD_VIEW, 'Give --depth-kind disparity')
    with pytest.raises(DataError, match='Disparities are pixels'):
        check_road_depth('a.npy', road() * 100, ROAD_VIEW, from_disparity=True)


# --- rooms ----------------------------------------------------------------------------------


def test_right_depth_of_a_room_passes():
    with_holes = room()
    with_holes[::3] = np.nan
    for depth in (room(), room() / 2, room() * 1.5, with_holes):
        check_room_depth('a.png', depth, scale_units())


@pytest.mark.parametrize('scale', [8000, 10000])
def test_another_scale_is_named(scale):
    with pytest.raises(DataError, match=f'a.png: depth: .*m with --depth-scale {scale}'):
        check_room_depth('a.png', room() * scale / 1000, scale_units())


@pytest.mark.parametrize(('scale', 'factor'), [(256, 0.95), (4000, 0.6)])
def test_an_unlikely_scale_is_a_warning(scale, factor):
    with pytest.warns(UserWarning, match=f'a.png: depth: .*m with --depth-scale {scale}'):
        check_room_depth('a.png', room() * factor * scale / 1000, scale_units())


@pytest.mark.parametrize(
    ('depth', 'message'),
    [
        (room() / room().max(), 'values up to 1'),
        (room() / 10, '8-bit or relative depth'),
        (room() * 0, 'found none'),
        (room() * np.nan, 'found none'),
        (np.zeros((0, 0), np.float32), 'found none'),
        (np.ones(5, np.float32), 'one value per pixel'),
    ],
)
def test_no_depth_of_a_room(depth, message):
    with pytest.raises(DataError, match=message):
        check_room_depth('a.npy', depth, {})


@pytest.mark.parametrize('scale', [0.5, 1, 80, 1000])
@pytest.mark.parametrize('units', [scale_units(), {}])
def test_inverse_depth_of_a_room_is_named(scale, units):
    text = 'a.png: depth: .*inverse depth or disparity: near is large. Save metres: 1'
    with pytest.raises(DataError, match=text):
        check_room_depth('a.png', scale / (2 * room()), units)
    with pytest.raises(DataError, match='Models need depth in metres. It looks like inverse'):
        check_room_depth('a.png', room().min() / room(), units)


def test_a_unit_that_fits_is_named_before_a_doubt():
    # A camera that looks down, past a table, or an image that is upside down.
    depth = np.tile(np.linspace(1.5, 2.5, 60, dtype=np.float32)[:, None], 80)
    text = 'would be 2.0 m with --depth-scale 1000.*If that is wrong too, it looks like inverse'
    with pytest.raises(DataError, match=f'a.png: depth: .*wrong unit.*{text} depth'):
        check_room_depth('a.png', depth / 10, scale_units(10000))
    hint = unit_hint(depth, scale_units(), 'Check the camera')
    doubt = 'Depth is larger low in the image: is it turned, or inverse depth?'
    assert hint == f'The median depth is 2 m, as in a room. {doubt} Check the camera'
    assert 'larger' not in unit_hint(room(), scale_units())


def test_rotated_bits_are_known():
    stored = encode_nyu_depth(np.rint(room() * 1000).astype(np.uint16))
    read = stored.astype(np.float32) / 1000
    assert rotated_units(read, '--depth-kind nyu') == {'--depth-kind nyu': 1 / 8}
    assert rotated_units(room(), '--depth-kind nyu') == {} == rotated_units(room() * 0, 'nyu')


def test_a_floor_far_below_the_grid():
    rows = np.mgrid[:60, :80][0]
    floor = (1.3 * 60 / (rows + 5)).astype(np.float32)
    camera = np.array([[60.0, 0, 40], [0, 60, -5], [0, 0, 1]])
    pose = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 1.3], [0, 0, 0, 1]])
    grid = VoxelGrid((-2.4, 0, -0.05), 0.08, (60, 60, 36))
    view = DepthView(camera, pose, grid)
    check_ground('a.png', floor, view, scale_units())
    with pytest.raises(DataError, match='ground .*It fits with --depth-scale 4000'):
        check_ground('a.png', floor * 4, view, scale_units())
    with pytest.warns(UserWarning, match='a.png: depth: expected ground'):
        check_ground('a.png', floor * 4, view, {})
    with pytest.warns(UserWarning, match='It fits with --depth-scale 256'):
        check_ground('a.png', floor * 0.256, view, scale_units())
    # A median of 0.9 m is that of a room, so the pose is wrong, not the unit.
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        check_ground('a.png', floor * 0.4, view, {'--depth-scale 400': 2.5})
    table = np.where(rows > 15, floor / 2, floor)
    check_ground('a.png', table, view, scale_units())


# --- files ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('array', 'message'),
    [
        (np.ones((2, 3), np.uint16), r'floating-point numbers, found whole numbers \(uint16\)'),
        (np.ones((2, 3, 1), np.float32), r'\(H, W\)'),
        (np.ones((0, 3), np.float32), r'\(H, W\)'),
    ],
)
def test_arrays_that_are_no_metres(tmp_path, array, message):
    np.save(tmp_path / 'a.npy', array)
    with pytest.raises(DataError, match=f'a.npy: .*{message}'):
        read_metres(tmp_path / 'a.npy')


def test_kinds_of_numbers_in_words(tmp_path):
    np.save(tmp_path / 'a.npy', np.ones(3, np.uint16))
    with pytest.raises(DataError, match='expected floating-point numbers, found uint16'):
        read_npy(tmp_path / 'a.npy', kinds='f')
    (tmp_path / 'a.npy').write_bytes(b'\x89PNG\r\n\x1a\n1234')
    with pytest.raises(DataError, match='expected an .npy array, found a PNG image'):
        read_npy(tmp_path / 'a.npy')


def test_every_measured_pixel_counts():
    assert check_measured('a', np.array([[0, 1, np.nan, -2, np.inf, 3]])).tolist() == [1, 3]
