import torch
from mmengine.dataset import pseudo_collate

from mmssc.geometry.projection import field_of_view_mask
from mmssc.models.data_preprocessors import SSCDataPreprocessor
from mmssc.structures import VoxelGrid
from mmssc.testing.random_driving_sample import random_driving_sample

GRID = VoxelGrid(origin=(0, -3.2, -2), voxel_size=0.4, shape=(16, 16, 8))


def test_sample_has_the_shapes_of_a_data_set_and_its_preprocessor_takes_it():
    samples = [random_driving_sample(GRID, 5, (20, 32), num_frames=2, seed=seed) for seed in (1, 2)]
    sample = samples[0]['data_samples']
    assert sample.gt_voxels.shape == (16, 16, 8) and sample.gt_voxels_1_2.shape == (8, 8, 4)
    assert sample.gt_voxels_1_8.shape == (2, 2, 1)
    assert sample.frustum_index.shape == (16, 16, 8) and len(sample.frustum_index.unique()) > 30
    assert set(sample.gt_voxels.unique().tolist()) == {0, 1, 2, 3, 4, 255}
    assert not torch.equal(sample.gt_voxels, samples[1]['data_samples'].gt_voxels)
    points = samples[0]['inputs']['points']
    assert points.shape == (60000, 3) and points.dtype == torch.float32
    assert (points >= torch.tensor(GRID.origin)).all() and (points < torch.tensor(GRID.upper)).all()
    batch = SSCDataPreprocessor()(pseudo_collate(samples))['inputs']
    assert batch['img'].shape == (2, 2, 3, 20, 32) and batch['lidar2cam'].shape == (2, 2, 4, 4)


def test_camera_looks_into_the_grid():
    sample = random_driving_sample(GRID, 3, (20, 32))['data_samples']
    lidar2cam, cam2img = (torch.as_tensor(sample.get(key)) for key in ('lidar2cam', 'cam2img'))
    seen = field_of_view_mask(GRID, lidar2cam[0], cam2img, sample.img_shape)
    assert 0.1 < seen.float().mean() < 0.9


def test_sample_is_a_function_of_the_seed():
    one, other = (
        random_driving_sample(GRID, 4, (8, 8), points_per_frame=10, seed=7) for _ in range(2)
    )
    assert torch.equal(one['inputs']['img'], other['inputs']['img'])
    assert torch.equal(one['inputs']['points'], other['inputs']['points'])
