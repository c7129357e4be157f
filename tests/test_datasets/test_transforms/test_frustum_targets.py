"""The transform that adds the frustum of every voxel."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmssc.datasets.transforms import FrustumTargets, PackSSCInputs, PoolVoxelLabels
from mmssc.datasets.transforms.voxel_targets import _cached_frustum_index
from mmssc.geometry import frustum_index, pool_labels
from mmssc.structures import VoxelGrid

GRID = VoxelGrid((0, -4, -2), 0.5, (16, 16, 8))


@pytest.fixture
def results(kitti_lidar2cam):
    return dict(
        voxel_grid=GRID,
        cam2img=np.array([[40.0, 0, 20], [0, 40, 15], [0, 0, 1]]),
        lidar2cam=np.stack([kitti_lidar2cam, np.eye(4)]),
        img_shape=(30, 40),
        img=[np.zeros((30, 40, 3), np.uint8)] * 2,
    )


def test_volume_of_the_reference_frame_is_packed(results):
    sample = PackSSCInputs()(FrustumTargets(cells=4)(results))['data_samples']
    expected = frustum_index(
        GRID, *(torch.from_numpy(results[key]) for key in ('lidar2cam', 'cam2img')), (30, 40), 4
    )[0]
    assert sample.frustum_index.dtype == torch.uint8
    assert torch.equal(sample.frustum_index, expected)
    assert len(expected.unique()) == 17


def test_is_computed_once_for_each_calibration(results):
    _cached_frustum_index.cache_clear()
    transform = FrustumTargets()
    first = transform(dict(results))['frustum_index']
    again = {**results, 'lidar2cam': results['lidar2cam'].copy(), 'img_shape': np.array([30, 40])}
    assert transform(again)['frustum_index'] is first
    moved = {**results, 'cam2img': results['cam2img'] + np.diag([1.0, 0, 0])}
    assert not np.array_equal(transform(moved)['frustum_index'], first)
    cropped = {**results, 'img_shape': (30, 39)}
    assert not np.array_equal(transform(cropped)['frustum_index'], first)
    assert _cached_frustum_index.cache_info().misses == 3


def test_coarser_labels_of_a_data_set_with_one_scale():
    labels = np.random.default_rng(0).choice([0, 0, 1, 2, 255], (8, 4, 8)).astype(np.uint8)
    results = dict(gt_voxels=labels, num_classes=3, ignore_index=255)
    pooled = PoolVoxelLabels(factors=(2, 4))(results)
    for factor in (2, 4):
        expected = pool_labels(torch.from_numpy(labels), factor, 3)
        assert torch.equal(torch.from_numpy(pooled[f'gt_voxels_1_{factor}']), expected)
