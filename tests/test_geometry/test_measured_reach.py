"""Where the evidence of a depth map ends."""

from __future__ import annotations

import pytest
import torch

from mmssc.errors import DataError
from mmssc.geometry import measured_reach
from mmssc.structures import VoxelGrid

GRID = VoxelGrid((-1.0, 0.0, 0.0), 0.1, (20, 30, 20), frame='world')
# The camera is at the origin, at a height of 1 m, and looks along y.
WORLD2CAM = torch.tensor([[1.0, 0, 0, 0], [0, 0, -1, 1], [0, 1, 0, 0], [0, 0, 0, 1]])


def depth_map() -> torch.Tensor:
    """A wall at 2 m, something nearer in front of it, and a hole."""
    depth = torch.full((60, 80), 2.0)
    depth[:, :50], depth[:10] = 1.2, 0
    return depth


def test_the_reach_ends_behind_the_farthest_surface():
    reach = measured_reach(depth_map(), GRID, WORLD2CAM, margin=0.2)
    assert reach[:, :22].all() and not reach[:, 22:].any()
    assert not measured_reach(depth_map(), GRID, WORLD2CAM, margin=0.1)[:, 21:].any()


def test_a_few_stray_pixels_do_not_move_it():
    depth = depth_map()
    depth[30, 60:64] = 9.0
    expected = measured_reach(depth_map(), GRID, WORLD2CAM)
    assert torch.equal(measured_reach(depth, GRID, WORLD2CAM), expected)
    # A window on a farther room does.
    depth[30:40, 60:70] = 2.6
    assert measured_reach(depth, GRID, WORLD2CAM)[:, :29].all()


def test_axes_of_any_order():
    swapped = VoxelGrid((-1.0, 0.0, 0.0), 0.1, (20, 20, 30), ('x', 'z', 'y'), 'world')
    reach = measured_reach(depth_map(), swapped, WORLD2CAM)
    assert torch.equal(reach.transpose(1, 2), measured_reach(depth_map(), GRID, WORLD2CAM))


def test_no_depth_is_refused():
    with pytest.raises(DataError, match='a pixel with a depth'):
        measured_reach(torch.zeros(4, 4), GRID, WORLD2CAM)
