"""The pose of a camera from the floor it sees."""

from __future__ import annotations

import math

import pytest
import torch

from mmssc.errors import DataError
from mmssc.geometry import (
    camera_tilt,
    find_floor,
    pose_above_floor,
    tilted_camera,
    turn_camera,
)
from mmssc.geometry.floor_fit import FloorCase, fit_floor_weights

CAMERA = torch.tensor([[130.0, 0, 79.5], [0, 130.0, 59.5], [0, 0, 1]])
IMAGE = (120, 160)


def depth_of_planes(pose: torch.Tensor, planes: list[tuple[tuple, float]]) -> torch.Tensor:
    """Depth of the nearest of world planes ``normal . x = offset`` along each pixel's ray."""
    row, column = torch.meshgrid(torch.arange(120.0), torch.arange(160.0), indexing='ij')
    rays = torch.stack([(column - 79.5) / 130, (row - 59.5) / 130, torch.ones(IMAGE)], -1)
    rays = rays @ pose[:3, :3].T
    depth = torch.full(IMAGE, torch.inf)
    for normal, offset in planes:
        normal = torch.tensor(normal)
        hit = (offset - normal @ pose[:3, 3]) / (rays @ normal)
        depth = torch.where((hit > 0) & (hit < depth), hit, depth)
    return torch.where(depth < 8, depth, 0.0)


ROOM = [((0.0, 0, 1), 0.0), ((0.0, 1, 0), 3.5), ((1.0, 0, 0), -1.6), ((1.0, 0, 0), 1.8)]


@pytest.mark.parametrize(
    ('height', 'tilt', 'roll'), [(1.2, 10, 0), (1.5, 25, 5), (0.9, 5, -8), (1.8, 35, 3)]
)
def test_room(height, tilt, roll):
    pose = tilted_camera(height, math.radians(tilt), math.radians(roll))
    depth = depth_of_planes(pose, ROOM)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(IMAGE, generator=generator) * 0.002 * depth**2
    found = find_floor(torch.where(depth > 0, depth + noise, 0.0), CAMERA, upright=True).cam2world
    assert float(found[2, :3] @ pose[2, :3]) > math.cos(math.radians(0.5))
    assert float(found[2, 3]) == pytest.approx(height, abs=0.03)
    # the world turns with the camera: x = 0 along the optical axis
    assert found[0, 2] == pytest.approx(0, abs=1e-6) and found[1, 2] > 0
    torch.testing.assert_close(found[:3, :3] @ found[:3, :3].T, torch.eye(3), rtol=0, atol=1e-5)
    assert torch.det(found[:3, :3]) > 0


def test_table_over_a_floor_is_not_the_floor():
    pose = tilted_camera(1.6, math.radians(30))
    depth = depth_of_planes(pose, ROOM)
    table = depth_of_planes(pose, [((0.0, 0, 1), 0.7)])
    depth[20:, 60:] = table[20:, 60:]
    assert float(find_floor(depth, CAMERA).cam2world[2, 3]) == pytest.approx(1.6, abs=0.03)


def test_the_old_name_still_works():
    depth = depth_of_planes(tilted_camera(1.2, math.radians(20)), ROOM)
    with pytest.warns(FutureWarning, match='level_camera is called find_floor'):
        from mmssc.geometry import level_camera
    assert torch.equal(level_camera(depth, CAMERA), find_floor(depth, CAMERA).cam2world)


def test_depth_beyond_the_room_plays_no_part():
    """What some cameras write where they measure nothing."""
    pose = tilted_camera(1.2, math.radians(20))
    depth = depth_of_planes(pose, ROOM)
    depth[:10] = 0
    found = find_floor(torch.where(depth > 0, depth, 65.535), CAMERA)
    assert torch.equal(found.cam2world, find_floor(depth, CAMERA).cam2world)
    with pytest.raises(DataError, match='floor'):
        find_floor(torch.full(IMAGE, 65.535), CAMERA)


def test_no_floor_in_view():
    wall = depth_of_planes(tilted_camera(1.2), [((0.0, 1, 0), 2.0)])
    with pytest.raises(DataError, match='floor.*Check the unit of the depth'):
        find_floor(wall, CAMERA)
    with pytest.raises(DataError, match='floor'):
        find_floor(torch.zeros(IMAGE), CAMERA)


def test_holes_of_the_depth_are_named_as_the_cause():
    room = depth_of_planes(tilted_camera(1.2, math.radians(10)), ROOM)
    assert find_floor(room, CAMERA, upright=True)
    holes = torch.rand(IMAGE, generator=torch.Generator().manual_seed(0)) < 0.6
    with pytest.raises(DataError, match='few flat .*: 6. % of the pixels have no .*Fill the holes'):
        find_floor(room.masked_fill(holes, 0), CAMERA, upright=True)
    with pytest.raises(DataError, match=r'few flat surfaces within 8 m \(median depth: 70 m'):
        find_floor(torch.full(IMAGE, 70.0).masked_fill(holes, 0), CAMERA)


def test_tilted_camera_looks_down_and_rolls_clockwise():
    pose = tilted_camera(1.4, tilt=math.radians(30), roll=math.radians(10))
    right, down, forward = pose[:3, :3].T
    assert forward[2] == pytest.approx(-0.5) and forward[0] == pytest.approx(0)
    # the right side of the image is lower
    assert right[2] < 0 and down[2] < 0 and pose[2, 3] == pytest.approx(1.4)


def test_height_tilt_and_roll_of_a_pose():
    expected = (1.4, math.radians(30), math.radians(-10))
    assert camera_tilt(tilted_camera(*expected)) == pytest.approx(expected, abs=1e-6)


def refused(depth: torch.Tensor, reason: str) -> None:
    with pytest.raises(DataError, match='floor') as caught:
        find_floor(depth, CAMERA)
    assert reason in str(caught.value.found)


def test_a_table_alone_is_no_floor():
    """A level surface up to the wall, 0.7 m below the camera, may be a table."""
    pose = tilted_camera(0.7, math.radians(20))
    refused(depth_of_planes(pose, [((0.0, 0, 1), 0.0), ((0.0, 1, 0), 1.8)]), 'a table or a bed')
    # A wide floor below a low camera is one.
    wide = depth_of_planes(pose, [((0.0, 0, 1), 0.0), ((0.0, 1, 0), 4.0)])
    assert float(find_floor(wide, CAMERA).cam2world[2, 3]) == pytest.approx(0.7, abs=0.03)


def test_a_table_with_something_below_it_is_no_floor():
    pose = tilted_camera(1.1, math.radians(20))
    room = depth_of_planes(pose, [((0.0, 1, 0), 3.5), ((1.0, 0, 0), -1.6)])
    table = depth_of_planes(pose, [((0.0, 0, 1), 0.0)])
    depth = torch.where((table > 0) & (table < 1.9), table, room)
    refused(depth, 'turned by 270 degrees')


def test_walls_alone_are_no_floor():
    walls = [((0.0, 1, 0), 3.5), ((1.0, 0, 0), -1.6), ((1.0, 0, 0), 1.8)]
    refused(depth_of_planes(tilted_camera(1.2, 0.1, 0.1), walls), 'no level surface')
    refused(depth_of_planes(tilted_camera(1.2), [((0.0, 1, 0), 30.0)]) + 24, 'median depth: 24 m')


def test_a_camera_that_looks_down_steeply_is_refused():
    """From 60 degrees, the wall is closer to the camera's up than the floor."""
    for tilt in (50, 60):
        pose = tilted_camera(1.5, math.radians(tilt))
        with pytest.raises(DataError, match='floor'):
            find_floor(depth_of_planes(pose, ROOM), CAMERA)


FURNISHED = [*ROOM, ((0.0, 0, 1), 2.5)]


def furnished_depth(pose: torch.Tensor) -> torch.Tensor:
    """A room with a ceiling and the tops of two pieces of furniture."""
    depth = depth_of_planes(pose, FURNISHED)
    for height, columns in ((0.5, slice(10, 50)), (0.8, slice(100, 150))):
        top = depth_of_planes(pose, [((0.0, 0, 1), height)])
        nearer = (top > 0) & (top < 2.6) & (top < depth)
        depth[:, columns] = torch.where(nearer, top, depth)[:, columns]
    return depth


@pytest.mark.parametrize('degrees', [0, 90, 180, 270])
def test_a_turned_image(degrees):
    """Turned back, it gives the same pose; upside down, the ceiling is not taken for the floor."""
    pose = tilted_camera(1.3, math.radians(5), math.radians(4))
    depth = furnished_depth(pose)
    stored = torch.rot90(depth, degrees // 90)
    back, _ = turn_camera(CAMERA, IMAGE, (360 - degrees) % 360)
    camera, turn = turn_camera(back, stored.shape, degrees)
    torch.testing.assert_close(camera, CAMERA)
    found = find_floor(torch.rot90(stored, -degrees // 90), camera).cam2world
    assert camera_tilt(found) == pytest.approx(camera_tilt(pose), abs=0.03)
    # The pose of the stored image sees the same world.
    point = torch.tensor([0.3, -0.2, 2.0, 1.0], dtype=torch.float64)
    pixel = back.double() @ point[:3] / point[2]
    upright = camera.double() @ (turn @ point)[:3] / point[2]
    column, row = pixel[:2].tolist()
    height, width = stored.shape
    expected = {
        0: (column, row),
        90: (height - 1 - row, column),
        180: (width - 1 - column, height - 1 - row),
        270: (row, width - 1 - column),
    }
    assert upright[:2].tolist() == pytest.approx(expected[degrees])
    if degrees == 180:
        refused(stored, 'which may also be a wall')


def test_height_tilt_and_roll_replace_the_search():
    wall = depth_of_planes(tilted_camera(1.2), [((0.0, 1, 0), 2.0)])
    pose, confidence = pose_above_floor(wall, CAMERA, 1.3, 0.2, 0.1)
    assert torch.equal(pose, tilted_camera(1.3, 0.2, 0.1)) and confidence is None
    for options in ((0.0,), (-1.0,), (math.nan,), (1.0, 2.0), (None, 0.2), (None, 0.0, 0.2)):
        with pytest.raises(DataError, match='height|tilt'):
            pose_above_floor(wall, CAMERA, *options)
    with pytest.raises(DataError, match='rotate: expected 0, 90, 180 or 270'):
        turn_camera(CAMERA, IMAGE, 45)


def test_confidence_is_how_likely_the_floor_is():
    """Tops of furniture speak for it."""
    pose = tilted_camera(1.3, math.radians(5), math.radians(4))
    bare, furnished = (
        find_floor(depth, CAMERA, upright=True)
        for depth in (depth_of_planes(pose, ROOM), furnished_depth(pose))
    )
    assert 0.5 < bare.confidence < furnished.confidence < 1


@pytest.mark.parametrize('degrees', [90, 270])
def test_a_wall_of_an_image_on_its_side_is_no_floor(degrees):
    """Without a word on the turn, a furnished room on its side is refused, with the turn."""
    depth = furnished_depth(tilted_camera(1.3, math.radians(5), math.radians(4)))
    stored = torch.rot90(depth, degrees // 90)
    camera, _ = turn_camera(CAMERA, IMAGE, 360 - degrees)
    with pytest.raises(DataError, match=f'if the image is turned by {degrees} degrees'):
        find_floor(stored, camera)


def test_a_portrait_image_needs_more_evidence_unless_it_is_known_to_be_upright():
    """A bare corner looks the same on its side."""
    depth = depth_of_planes(tilted_camera(1.2), ROOM)[:, 40:120]
    camera = CAMERA.clone()
    camera[0, 2] -= 40
    with pytest.raises(DataError, match='turned'):
        find_floor(depth, camera)
    found = find_floor(depth, camera, upright=True).cam2world
    assert float(found[2, 3]) == pytest.approx(1.2, abs=0.03)


@pytest.mark.parametrize('degrees', [90, 270])
@pytest.mark.parametrize('columns', [slice(0, 160), slice(35, 125)], ids=['landscape', 'portrait'])
@pytest.mark.parametrize(('left', 'right', 'ceiling'), [(-1.2, 1.2, 2.6), (-0.8, 1, 2.4)])
def test_a_corridor_on_its_side_is_no_room(left, right, ceiling, columns, degrees):
    """Its walls are a floor and a ceiling at a likely height."""
    planes = [((0.0, 0, 1), 0.0), ((0.0, 0, 1), ceiling), ((0.0, 1, 0), 6.0),
              ((1.0, 0, 0), left), ((1.0, 0, 0), right)]  # fmt: skip
    for tilt in (0, 10):
        pose = tilted_camera(1.35, math.radians(tilt), math.radians(1))
        depth = depth_of_planes(pose, planes)[:, columns]
        camera = CAMERA.clone()
        camera[0, 2] -= columns.start
        camera, _ = turn_camera(camera, (depth.shape[0], depth.shape[1]), degrees)
        with pytest.raises(DataError, match='floor'):
            find_floor(torch.rot90(depth, -degrees // 90), camera)


def test_the_fit_finds_the_weights_that_made_the_answers():
    """Cases drawn from the model itself: one surface is the floor, or none."""
    generator = torch.Generator().manual_seed(0)
    start, weights = -0.5, torch.tensor([1.5, -2.0], dtype=torch.float64)
    cases = []
    for _ in range(3000):
        measures = torch.randn(5, 2, generator=generator, dtype=torch.float64)
        scores = torch.cat([torch.zeros(1).double(), measures @ weights + start])
        drawn = int(torch.multinomial(scores.softmax(0), 1, generator=generator)) - 1
        turns = torch.zeros(5, dtype=torch.int64)
        cases.append(FloorCase(measures, turns, None if drawn < 0 else drawn))
    found_start, found = fit_floor_weights(cases)
    assert found_start == pytest.approx(start, abs=0.15)
    torch.testing.assert_close(found, weights, rtol=0, atol=0.15)
