"""Rays through a grid against a closed form: boxes that hide what is behind them."""

import numpy as np
import pytest

from mmssc.geometry.line_of_sight import seen_empty_voxels
from mmssc.geometry.scan_voxels import VoxelVotes, flat_voxel_index
from mmssc.structures import VoxelGrid

GRID = VoxelGrid((0.0, -6.4, -2.0), (0.4, 0.4, 0.4), (40, 32, 12))
SENSOR = np.array((0.03, 0.05, 0.02))
# First and end voxel of each box: a wall across, a block on its own, a thin pole.
BOXES = [((20, 4, 0), (21, 20, 9)), ((8, 20, 2), (12, 24, 7)), ((5, 10, 0), (6, 11, 12))]


def solids(boxes=BOXES):
    occupied = np.zeros(GRID.shape, bool)
    for first, end in boxes:
        occupied[tuple(map(slice, first, end))] = True
    return occupied


def hidden_points(points, boxes, sensor, grow):
    """Whether the line from the sensor to each point meets a box that is larger by ``grow``."""
    hidden = np.zeros(len(points), bool)
    for first, end in boxes:
        low = np.array(GRID.origin) + np.array(GRID.voxel_size) * np.array(first) - grow
        high = np.array(GRID.origin) + np.array(GRID.voxel_size) * np.array(end) + grow
        way = points - sensor
        with np.errstate(divide='ignore'):
            one, other = (low - sensor) / way, (high - sensor) / way
        enter, leave = np.minimum(one, other).max(1), np.maximum(one, other).min(1)
        hidden |= (enter < leave) & (leave > 0) & (enter < 1)
    return hidden


@pytest.mark.parametrize('sensor', [SENSOR, SENSOR + (7.1, 5.0, 1.3), SENSOR - (9.0, 0.0, -1.0)])
def test_shadows_of_boxes_have_their_closed_form(sensor) -> None:
    occupied = solids()
    seen = seen_empty_voxels(occupied, GRID, sensor)
    centers = GRID.centers().numpy().astype(np.float64)
    # At the edge of a shadow, a ray through the voxel decides: half a voxel diagonal is open.
    slack = 0.5 * float(np.linalg.norm(GRID.voxel_size))
    dark = hidden_points(centers, BOXES, sensor, -0.0).reshape(GRID.shape)
    surely_lit = ~hidden_points(centers, BOXES, sensor, slack).reshape(GRID.shape)
    empty = ~occupied
    assert (seen & occupied).sum() == 0
    assert seen[surely_lit & empty].all()
    # A voxel is not seen if its centre and all of its corners are hidden.
    corners = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) * 0.2
    for corner in corners:
        dark &= hidden_points(centers + corner, BOXES, sensor, 0.0).reshape(GRID.shape)
    assert dark[empty].sum() > 300
    assert not seen[dark & empty].any()


def test_an_empty_grid_is_seen_whole_from_anywhere() -> None:
    for sensor in (SENSOR, (-30.0, 1.0, 40.0), (8.0, -6.4, -2.0), (16.0, 6.4, 2.8)):
        assert seen_empty_voxels(np.zeros(GRID.shape, bool), GRID, np.array(sensor)).all()


def test_the_own_voxel_of_the_sensor_hides_nothing() -> None:
    occupied = solids([((0, 16, 5), (1, 17, 6))])
    assert flat_voxel_index(SENSOR[None], GRID)[0] == np.flatnonzero(occupied)[0]
    assert (seen_empty_voxels(occupied, GRID, SENSOR) | occupied).all()


def test_a_grid_with_other_axes_gives_the_same_volume() -> None:
    swapped = VoxelGrid((-2.0, 0.0, -6.4), (0.4, 0.4, 0.4), (12, 40, 32), axes=('z', 'x', 'y'))
    occupied = solids()
    seen = seen_empty_voxels(occupied, GRID, SENSOR)
    moved = seen_empty_voxels(occupied.transpose(2, 0, 1), swapped, SENSOR)
    # Rays through an edge may take the one or the other neighbour.
    assert (moved != seen.transpose(2, 0, 1)).mean() < 1e-3


def test_points_on_the_faces_of_the_grid() -> None:
    points = np.array([(0, -6.4, -2.0), (16.0, 0, 0), (15.999, 6.399, 2.799), (-1e-9, 0, 0)])
    last = int(np.prod(GRID.shape)) - 1
    assert flat_voxel_index(points, GRID).tolist() == [0, -1, last, -1]


def test_the_majority_of_all_scans_counts_and_ties_go_to_the_smaller_id() -> None:
    votes = VoxelVotes(5)
    assert not votes.majority().any()
    votes.add(np.array((0, 0, 1, 1, 3, -1)), np.array((9, 9, 40, 40, 259, 7), np.uint16))
    votes.add(np.array((0, 0, 0, 1, 1)), np.array((50, 50, 50, 10, 10), np.uint16))
    assert votes.majority().tolist() == [50, 10, 0, 259, 0]
