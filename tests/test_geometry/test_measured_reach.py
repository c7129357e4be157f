"""Where the evidence of a depth map ends."""

from __future__ import annotations

import pytest
import torch

from mmssc.errors import DataError
from mmssc.geometry import field_of_view_mask, measured_reach, tilted_camera
from mmssc.structures import VoxelGrid

GRID = VoxelGrid((-1.0, 0.0, 0.0), 0.1, (20, 30, 20), frame='world')
# The camera is at the origin, at a height of 1 m, and looks along y.
WORLD2CAM = torch.tensor([[1.0, 0, 0, 0], [0, 0, -1, 1], [0, 1, 0, 0], [0, 0, 0, 1]])
# Sees the whole depth of the grid, or only its middle: the outermost pixels are at 14 degrees.
WIDE, NARROW = (torch.tensor([[f, 0, 39.5], [0, f, 29.5], [0, 0, 1]]) for f in (30.0, 120.0))


def depth_map() -> torch.Tensor:
    """A wall at 2 m, something nearer in front of it, and a hole."""
    depth = torch.full((60, 80), 2.0)
    depth[:, :50], depth[:10] = 1.2, 0
    return depth


def test_the_reach_ends_behind_the_farthest_surface():
    reach = measured_reach(depth_map(), GRID, WORLD2CAM, WIDE, margin=0.2)
    assert reach[:, :22].all() and not reach[:, 22:].any()
    assert not measured_reach(depth_map(), GRID, WORLD2CAM, WIDE, margin=0.1)[:, 21:].any()


def test_a_few_stray_pixels_do_not_move_it():
    depth = depth_map()
    depth[30, 60:64] = 9.0
    expected = measured_reach(depth_map(), GRID, WORLD2CAM, WIDE)
    assert torch.equal(measured_reach(depth, GRID, WORLD2CAM, WIDE), expected)
    # A window on a farther room does.
    depth[30:40, 60:70] = 2.6
    assert measured_reach(depth, GRID, WORLD2CAM, WIDE)[:, :29].all()


def test_axes_of_any_order():
    swapped = VoxelGrid((-1.0, 0.0, 0.0), 0.1, (20, 20, 30), ('x', 'z', 'y'), 'world')
    reach = measured_reach(depth_map(), swapped, WORLD2CAM, WIDE)
    assert torch.equal(reach.transpose(1, 2), measured_reach(depth_map(), GRID, WORLD2CAM, WIDE))


def two_walls(cam2world: torch.Tensor) -> torch.Tensor:
    """Depth of a narrow view: a wall at y = 1.5 m on the left, another at 2.5 m on the right."""
    v, u = torch.meshgrid(torch.arange(60.0), torch.arange(80.0), indexing='ij')
    rays = torch.stack([(u - 39.5) / 120, (v - 29.5) / 120, torch.ones_like(u)], -1)
    return torch.where(u < 40, 1.5, 2.5) / (rays @ cam2world[:3, :3].T)[..., 1]


@pytest.mark.parametrize('border', [0, 4])
@pytest.mark.parametrize('tilt', [0.0, 0.5])
def test_outside_the_view_it_ends_behind_the_nearest_wall(tilt, border):
    cam2world = tilted_camera(1.2, tilt)
    world2cam, depth = torch.linalg.inv(cam2world), two_walls(cam2world)
    depth[:border] = depth[:, :border] = 0
    reach = measured_reach(depth, GRID, world2cam, NARROW)
    # Above the view, left and right: the limit is 0.32 m behind the wall.
    assert reach[5:9, :18, 19:].all() and not reach[5:9, 20:, 19:].any()
    assert reach[9:14, :28, 19:].all() and not reach[9:14, 29:, 19:].any()
    # To the left of the view.
    assert reach[:1, :16, 10:].all() and not reach[:1, 20:28, 10:].any()


def test_inside_the_view_only_the_farthest_surface_counts():
    cam2world = tilted_camera(1.2)
    world2cam = torch.linalg.inv(cam2world)
    reach = measured_reach(two_walls(cam2world), GRID, world2cam, NARROW)
    inside = field_of_view_mask(GRID, world2cam, NARROW, (60, 80))
    assert inside[:10, 20:28].any() and reach[:, :28][inside[:, :28]].all()


def test_no_depth_is_refused():
    with pytest.raises(DataError, match='a pixel with a depth'):
        measured_reach(torch.zeros(4, 4), GRID, WORLD2CAM, WIDE)
