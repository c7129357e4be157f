"""Random indoor samples: shapes, ranges, repeatability."""

import torch

from mmssc.structures import VoxelGrid
from mmssc.testing.random_rgbd_sample import random_rgbd_sample

GRID = VoxelGrid((0, 0, 0), (0.1, 0.1, 0.1), (12, 8, 16), ('x', 'z', 'y'), 'world')


def test_shapes_and_ranges():
    made = random_rgbd_sample(GRID, 5, (20, 32))
    inputs, sample = made['inputs'], made['data_samples']
    assert inputs['img'].shape == (1, 3, 20, 32) and inputs['img'].dtype == torch.uint8
    assert inputs['tsdf'].shape == inputs['tsdf_clean'].shape == (1, *GRID.shape)
    assert inputs['tsdf'].dtype == torch.float32 and inputs['tsdf'].abs().max() <= 1
    assert set(sample.gt_voxels.unique().tolist()) <= {*range(5), 255}
    for mask in (sample.label_weight, *sample.eval_masks.values()):
        assert mask.dtype == torch.bool and mask.shape == GRID.shape
    assert sample.gt_sketch.shape == GRID.shape


def test_mappings_belong_together():
    inputs = random_rgbd_sample(GRID, 5, (20, 32))['inputs']
    voxel_to_pixel, pixel_to_voxel = inputs['voxel_to_pixel'], inputs['pixel_to_voxel']
    assert (voxel_to_pixel >= 0).sum() == int(0.06 * GRID.num_voxels)
    seen = pixel_to_voxel[pixel_to_voxel >= 0]
    pixels = (pixel_to_voxel.view(-1) >= 0).nonzero()[:, 0]
    assert torch.equal(voxel_to_pixel.view(-1)[seen], pixels)


def test_seed_decides():
    one, same, other = (random_rgbd_sample(GRID, 5, (20, 32), seed=seed) for seed in (1, 1, 2))
    for key, value in one['inputs'].items():
        assert torch.equal(value, same['inputs'][key])
        assert not torch.equal(value, other['inputs'][key])
    assert torch.equal(one['data_samples'].gt_voxels, same['data_samples'].gt_voxels)
