"""Segmentation and depth along the viewing rays, on one ray that can be followed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from mmssc.datasets.transforms import AddRGBDViewVolumes
from mmssc.errors import DataError
from mmssc.structures import VoxelGrid

# Camera at the origin of the world looking along y; voxels of 1 m, one column straight ahead.
GRID = VoxelGrid((-1.5, -1.5, 1.5), 1.0, (3, 3, 4), ('x', 'z', 'y'), 'world')
CAM2IMG = np.array([[16.0, 0, 16], [0, 16.0, 12], [0, 0, 1]])
WORLD2CAM = np.array([[1.0, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
HIT = (1, 1, 1)  # Centre 3 m ahead.


def frame(**changes):
    mapping = np.full(GRID.shape, -1)
    mapping[HIT] = 12 * 32 + 16
    segmentation = np.full((24, 32), 4, np.uint8)
    segmentation[12, 16] = 7
    results = dict(
        sequence='s', frame_id='1', image_size=(24, 32), voxel_grid=GRID, cam2img=CAM2IMG,
        lidar2cam=WORLD2CAM[None], voxel_to_pixel=mapping, segmentation=segmentation,
    )  # fmt: skip
    return {**results, **changes}


def test_offsets_count_from_the_visible_surface():
    found = AddRGBDViewVolumes(limit=1.5)(frame())['surface_offset']
    assert found.dtype == np.float32 and found.shape == GRID.shape
    # Voxels at 2, 3, 4 and 5 m on the axis; the last one is clipped.
    assert found[1, 1].tolist() == [-1, 0, 1, 1.5]


def test_voxels_outside_the_image_are_marked():
    found = AddRGBDViewVolumes(limit=1.5)(frame())
    # 1 m to the side at 2 m: column 16 + 8; 1 m up at 2 m: row 12 - 8: both inside.
    assert found['surface_offset'][2, 2, 0] == -1
    narrow = np.array([[64.0, 0, 16], [0, 16.0, 12], [0, 0, 1]])
    found = AddRGBDViewVolumes(limit=1.5)(frame(cam2img=narrow))
    assert found['surface_offset'][2, 1, 0] == -3 and found['voxel_segments'][2, 1, 0] == 0
    assert (found['surface_offset'][1] > -3).all()


def test_hidden_voxels_get_the_id_in_front_of_them():
    results = AddRGBDViewVolumes()(frame())
    segments = results['voxel_segments']
    assert 'segmentation' not in results and segments.dtype == np.int64
    assert segments[1, 1].tolist() == [8, 8, 8, 8]
    assert segments[0, 1].tolist() == [5, 5, 5, 5]


def test_a_visible_voxel_has_the_id_of_its_own_pixel():
    """Not of the one that its centre projects to."""
    changed = frame()
    changed['voxel_to_pixel'][0, 1, 2] = 12 * 32 + 16
    assert AddRGBDViewVolumes()(changed)['voxel_segments'][0, 1, 2] == 8


def test_cells_without_depth_take_the_nearest():
    changed = frame()
    changed['voxel_to_pixel'][0, 1, 3] = 12 * 32 + 2  # 5 m, at the left border
    found = AddRGBDViewVolumes(cell=4)(changed)['surface_offset']
    # 1 m to the left at 2 m is column 8, nearer to column 2's cell than to column 16's.
    assert found[0, 1, 0] == np.float32(-2.4) and found[2, 1, 0] == -1


def test_without_a_segmentation():
    changed = frame()
    del changed['segmentation']
    assert 'voxel_segments' not in AddRGBDViewVolumes()(changed)


@pytest.mark.parametrize(
    'changes, match',
    [
        (dict(lidar2cam=None), 'lidar2cam'),
        (dict(voxel_to_pixel=np.full(GRID.shape, -1)), 'a visible voxel'),
        (dict(segmentation=np.zeros((24, 31), np.uint8)), 'segmentation size'),
    ],
)
def test_what_it_cannot_use(changes, match):
    with pytest.raises(DataError, match=match):
        AddRGBDViewVolumes()(frame(**changes))
