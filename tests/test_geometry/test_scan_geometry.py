"""Scans without files: the ground below the sensor, what a scan sees, fewer beams."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmssc.geometry import (
    OCCLUDED,
    UNOBSERVED,
    VISIBLE,
    find_scan_ground,
    floor_points,
    rosette_mask,
    scan_visibility,
)
from mmssc.structures import VoxelGrid

GRID = VoxelGrid((0, -8, -2), 0.5, (32, 32, 8))
FINE = GRID.refine(2)


def rays(columns=720, beams=64, low=-25.0, high=2.0):
    """Directions (M, 3) of a LiDAR that turns once, x forward."""
    azimuth = np.linspace(-np.pi, np.pi, columns, endpoint=False)
    elevation = np.deg2rad(np.linspace(low, high, beams))[:, None]
    flat = np.cos(elevation)
    parts = flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation) + 0 * azimuth
    return np.stack(parts, -1).reshape(-1, 3)


def street(height, beams=64, noise=0.02):
    """Flat ground, a car and two long walls, seen from ``height``."""
    directions = rays(beams=beams)
    with np.errstate(divide='ignore'):
        ground = np.where(directions[:, 2] < 0, -height / directions[:, 2], np.inf)
        wall = np.where(directions[:, 1] != 0, 9 / np.abs(directions[:, 1]), np.inf)
    reach = np.minimum(ground, wall)
    ahead = directions[:, 0] * reach > 6
    car = ahead & (np.abs(directions[:, 1]) * 6 < directions[:, 0] * 1)
    reach = np.where(car, np.minimum(reach, 6 / np.maximum(directions[:, 0], 1e-6)), reach)
    rng = np.random.default_rng(1)
    seen = reach < 80
    return directions[seen] * reach[seen, None] + rng.normal(0, noise, (int(seen.sum()), 3))


@pytest.mark.parametrize('height', [0.6, 1.73, 3.5])
@pytest.mark.parametrize('beams', [16, 64])
def test_height_of_the_sensor(height, beams):
    ground = find_scan_ground(street(height, beams))
    assert ground.height == pytest.approx(height, abs=0.03)
    assert ground.up == pytest.approx([0, 0, 1], abs=0.02)


@pytest.mark.parametrize('tilt', [-20, 10, 30])
def test_tilt_of_the_sensor(tilt):
    a = np.deg2rad(tilt)
    turn = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    ground = find_scan_ground(street(1.7) @ turn.T)
    assert ground.height == pytest.approx(1.7, abs=0.05)
    assert ground.up == pytest.approx(turn[:, 2], abs=0.02)


def test_no_clear_ground():
    assert find_scan_ground(np.zeros((0, 3))) is None
    assert find_scan_ground(np.random.default_rng(0).uniform(-15, 15, (20000, 3))) is None
    wall = np.random.default_rng(0).uniform((9.9, -15, -3), (10, 15, 15), (20000, 3))
    assert find_scan_ground(wall) is None


def wall_at(distance, directions):
    return torch.from_numpy(directions[directions[:, 0] > 0.1]).float() * (
        distance / torch.from_numpy(directions[directions[:, 0] > 0.1, :1]).float()
    )


def test_visible_before_a_wall_and_hidden_behind_it():
    points = wall_at(8.25, rays())
    state = scan_visibility(points, GRID, (0.0, 0.0, 0.0))
    centers = GRID.centers().view(*GRID.shape, 3)
    elevation = torch.rad2deg(
        torch.atan2(centers[..., 2], torch.hypot(centers[..., 0], centers[..., 1]))
    )
    # A voxel is about as large as the margin here, seen from 4 m and more.
    inside = (elevation > -22) & (elevation < -1) & (centers[..., 0] > 4)
    inside &= centers[..., 1].abs() < 8 * centers[..., 0]
    assert (state[inside & (centers[..., 0] < 8)] == VISIBLE).all()
    assert (state[inside & (centers[..., 0] > 9)] == OCCLUDED).all()
    above = (elevation > 12) & (centers[..., 0] > 4)
    assert above.any() and (state[above] == UNOBSERVED).all()
    hit, _ = floor_points(points, GRID)
    assert (state[hit.unbind(1)] == VISIBLE).all()


def test_directions_without_a_return_are_not_observed():
    points = wall_at(8.25, rays())
    left = points[points[:, 1] > 0]
    state = scan_visibility(left, GRID, (0.0, 0.0, 0.0))
    assert (state[8:, :14] == UNOBSERVED).all()
    assert (state[8:, 18:] != UNOBSERVED).float().mean() > 0.5


def test_the_sensor_can_be_elsewhere():
    points = wall_at(8.25, rays())
    moved = VoxelGrid((3, -7, -1), 0.5, (32, 32, 8))
    shift = torch.tensor([3.0, 1.0, 1.0])
    same = scan_visibility(points + shift, moved, (3.0, 1.0, 1.0))
    torch.testing.assert_close(same, scan_visibility(points, GRID, (0.0, 0.0, 0.0)))


def test_few_beams_leave_gaps():
    counts = [
        int((scan_visibility(wall_at(15, rays(beams=beams)), FINE, (0.0, 0.0, 0.0)) > 0).sum())
        for beams in (64, 8)
    ]
    assert counts[1] < 0.7 * counts[0]


@pytest.mark.parametrize('beams, share', [(64, 0.93), (16, 0.87)])
def test_agrees_with_rays_that_are_followed(beams, share):
    points = torch.from_numpy(street(1.7, beams, noise=0)).float()
    state = scan_visibility(points, FINE, (0.0, 0.0, 0.0))
    followed = torch.zeros(FINE.shape, dtype=torch.uint8)
    reach = points.norm(dim=1, keepdim=True)
    for last, value in ((40.0, OCCLUDED), (0.0, VISIBLE)):  # Those that are seen win.
        for distance in torch.arange(0.0, 25.0, 0.06):
            kept = distance < reach[:, 0] + last
            cells, _ = floor_points((points / reach * distance)[kept], FINE)
            followed[cells.unbind(1)] = value
    assert (followed == state).float().mean() > share
    assert not ((followed == OCCLUDED) & (state == VISIBLE)).float().mean() > 0.02


def test_rosette():
    directions = rays(columns=3600, beams=256, low=-40, high=40)
    kept = rosette_mask(20 * directions, 70.4)
    angle = np.rad2deg(np.arccos(directions[:, 0]))
    assert not kept[angle > 35.3].any()
    assert 0.05 < kept[angle < 34].mean() < 0.95
    # Every loop goes through the middle.
    assert kept[angle < 3].mean() > kept[(angle > 20) & (angle < 30)].mean()
    more = rosette_mask(20 * directions, 70.4, turns=900)
    assert more.sum() > kept.sum()
