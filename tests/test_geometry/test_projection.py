import zlib

import numpy as np
import pytest
import torch

from mmssc.errors import DataError
from mmssc.geometry import PROJECTION_RULES, field_of_view_mask, project_voxels, voxel_to_pixel
from mmssc.structures import VoxelGrid

SGN_GRID = VoxelGrid((0, -25.6, -2), 0.4, (128, 128, 16))
# Lidar (x forward, y left, z up) to camera (x right, y down, z forward).
LIDAR2CAM = torch.tensor(
    [[0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1]], dtype=torch.float64
)


@pytest.mark.parametrize(
    ('case', 'size'),
    [('kitti_current', (370, 1220)), ('kitti_frame3_in_15', (370, 1220)),
     ('kitti360_current', (376, 1408))],
)  # fmt: skip
def test_equals_the_reference(unit_cases, case, size):
    keys = ('E', 'K', 'pix/idx', 'pix/val', 'fov_packed', 'fov_count', 'cell_crc32')
    expected = {key: unit_cases[f'vox2pix/{case}/{key}'] for key in keys}
    ref2cam, cam2img = torch.from_numpy(expected['E']), torch.from_numpy(expected['K'])
    pixels, visible = voxel_to_pixel(SGN_GRID, ref2cam, cam2img, size)
    assert pixels.shape == (SGN_GRID.num_voxels, 2) and pixels.dtype == torch.int64
    np.testing.assert_array_equal(
        pixels.numpy().reshape(-1)[expected['pix/idx']], expected['pix/val']
    )
    assert int(visible.sum()) == expected['fov_count']
    np.testing.assert_array_equal(np.packbits(visible.numpy()), expected['fov_packed'])
    height, width = -(-size[0] // 16), -(-size[1] // 16)
    cell = (pixels[:, 1] // 16) * width + pixels[:, 0] // 16
    cell = torch.where(visible, cell, height * width).numpy().astype('<i4')
    assert zlib.crc32(cell.tobytes()) == expected['cell_crc32']
    mask = field_of_view_mask(SGN_GRID, ref2cam, cam2img, size)
    assert mask.shape == SGN_GRID.shape
    assert torch.equal(mask.reshape(-1), visible)


def test_closed_form():
    # One voxel with its centre at (10, 2, -1): camera point (-2, 1, 10).
    grid = VoxelGrid((9.5, 1.5, -1.5), 1.0, (1, 1, 1))
    cam2img = torch.tensor([[100.0, 0, 50], [0, 200, 40], [0, 0, 1]])
    pixels, visible = voxel_to_pixel(grid, LIDAR2CAM, cam2img, (100, 100))
    assert pixels.tolist() == [[30, 60]]
    assert visible.tolist() == [True]
    assert voxel_to_pixel(grid, LIDAR2CAM, cam2img, (60, 100))[1].tolist() == [False]
    assert voxel_to_pixel(grid, LIDAR2CAM, cam2img, (61, 31))[1].tolist() == [True]


def test_rounds_half_to_even():
    grid = VoxelGrid((9.5, -0.5, -0.5), 1.0, (1, 1, 1))
    for centre, expected in ((0.5, 0), (1.5, 2), (2.5, 2), (-0.5, 0)):
        cam2img = torch.tensor([[10.0, 0, centre], [0, 10, 0], [0, 0, 1]])
        assert voxel_to_pixel(grid, LIDAR2CAM, cam2img, (9, 9))[0][0, 0] == expected


def test_a_voxel_behind_the_camera_is_invisible():
    grid = VoxelGrid((-10.5, -0.5, -0.5), 1.0, (1, 1, 1))
    cam2img = torch.tensor([[100.0, 0, 50], [0, 100, 50], [0, 0, 1]])
    assert not voxel_to_pixel(grid, LIDAR2CAM, cam2img, (100, 100))[1].any()


@pytest.mark.parametrize('rule', ['sgn', 'monoscene'])
def test_batches_equal_single_calls(rule):
    grid = VoxelGrid((0, -2, -1), 0.5, (8, 8, 4))
    generator = torch.Generator().manual_seed(0)
    shift = torch.rand(2, 3, 3, generator=generator, dtype=torch.float64)
    ref2cam = LIDAR2CAM.repeat(2, 3, 1, 1)
    ref2cam[..., :3, 3] = shift
    cam2img = torch.tensor([[40.0, 0, 20], [0, 40, 15], [0, 0, 1]]).repeat(2, 1, 1, 1)
    cam2img[1, 0, 0, 2] = 25
    pixels, visible = voxel_to_pixel(grid, ref2cam, cam2img, (30, 40), rule)
    assert pixels.shape == (2, 3, 256, 2) and visible.shape == (2, 3, 256)
    assert 0 < int(visible.sum()) < visible.numel()
    for b in range(2):
        for n in range(3):
            one = voxel_to_pixel(grid, ref2cam[b, n], cam2img[b, 0], (30, 40), rule)
            assert torch.equal(one[0], pixels[b, n])
            assert torch.equal(one[1], visible[b, n])
    assert field_of_view_mask(grid, ref2cam, cam2img, (30, 40)).shape == (2, 3, 8, 8, 4)


def test_the_rules_differ_in_last_bits_alone(unit_cases):
    ref2cam, cam2img = (
        torch.from_numpy(unit_cases[f'vox2pix/kitti_current/{key}']) for key in ('E', 'K')
    )
    pixels, visible = voxel_to_pixel(SGN_GRID, ref2cam, cam2img, (370, 1220))
    others, seen = voxel_to_pixel(SGN_GRID, ref2cam, cam2img, (370, 1220), rule='monoscene')
    assert torch.equal(visible, seen)
    difference = (pixels - others)[visible].abs()
    assert difference.max() == 1 and 1 <= int(difference.sum()) <= 4


def test_single_precision_poses_stay_so():
    grid = VoxelGrid((0.1, -2, -1), 0.3, (8, 8, 4))
    cam2img = torch.tensor([[40.0, 0, 20], [0, 40, 15], [0, 0, 1]])
    depths = [
        project_voxels(grid, LIDAR2CAM.to(dtype), cam2img, 'monoscene')[1]
        for dtype in (torch.float32, torch.float64)
    ]
    assert depths[0].dtype == torch.float32 and depths[1].dtype == torch.float64
    torch.testing.assert_close(depths[0].double(), depths[1], atol=1e-6, rtol=0)


def test_unknown_rule():
    grid = VoxelGrid((0, 0, 0), 1, (1, 1, 1))
    with pytest.raises(DataError, match='sgn or monoscene'):
        voxel_to_pixel(grid, LIDAR2CAM, torch.eye(3), (1, 1), rule='other')


@pytest.mark.parametrize('rule', PROJECTION_RULES)
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_parts_of_a_grid_give_the_bits_of_the_whole(rule, dtype, monkeypatch):
    grid = VoxelGrid((0.01, -5, -2), 0.11, (61, 43, 29))
    ref2cam = torch.eye(4, dtype=dtype).repeat(2, 1, 1)
    ref2cam[:, :3] = torch.tensor(
        [[0.01, -0.9999, 0.01, 0.3], [0.02, -0.01, -0.9997, 0.1], [0.9997, 0.01, 0.02, -0.2]]
    )
    cam2img = torch.tensor([[718.856, 0, 607.19], [0, 718.856, 185.2], [0, 0, 1]]).double()
    whole = project_voxels(grid, ref2cam, cam2img, rule)
    monkeypatch.setattr('mmssc.geometry.projection._CHUNK', 1000)
    parts = project_voxels(grid, ref2cam, cam2img, rule)
    assert parts[0].shape == (2, grid.num_voxels, 2) and parts[1].shape == (2, grid.num_voxels)
    assert torch.equal(parts[0], whole[0]) and torch.equal(parts[1], whole[1])
