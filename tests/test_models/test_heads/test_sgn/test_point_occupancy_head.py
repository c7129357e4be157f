"""Depth-based head against the reference's figures, and its edge cases."""

import numpy as np
import pytest
import torch
from reference_units import load_unit

from mmssc.errors import DataError
from mmssc.models.heads import PointOccupancyHead

GRID = dict(origin=(0, -25.6, -2), voxel_size=(1.6, 1.6, 0.4), shape=(32, 32, 16))


@pytest.fixture
def head(unit_cases):
    paths = ('pts_bbox_head.pts_header', 'head.points_head')
    return load_unit(PointOccupancyHead(GRID), unit_cases, 'occ_head', *paths)


@pytest.fixture
def points(unit_cases):
    return torch.from_numpy(unit_cases['occ_head/points'])


def test_point_features_and_voxels_are_those_of_the_reference(unit_cases, head, points):
    features, group, index = head.voxelize.group_points([points])
    expected = torch.from_numpy(unit_cases['occ_head/point_features'])
    torch.testing.assert_close(features, expected, rtol=1e-5, atol=2e-5)
    assert np.array_equal(index.coords, unit_cases['occ_head/voxel_coords_bxyz'])
    encoded = head.voxelize.encode_voxels(features, group, index)
    expected = torch.from_numpy(unit_cases['occ_head/voxel_features'])
    torch.testing.assert_close(encoded, expected, rtol=1e-4, atol=1e-4)


def test_reference_figures(unit_cases, head, points):
    logits, guidance, occupancy = head([points])
    for actual, name in ((occupancy, 'grid'), (logits[:, None], 'occ_logit'), (guidance, 'occ_x')):
        expected = torch.from_numpy(unit_cases[f'occ_head/{name}'])
        assert (actual - expected).abs().max() <= 1e-4 * expected.std(), name


def test_a_sample_does_not_depend_on_the_rest_of_the_batch(head, points):
    shifted = points[:1500] + 0.3
    both = head([points, shifted])
    for number, cloud in enumerate((points, shifted)):
        for batch, alone in zip(both, head([cloud])):
            torch.testing.assert_close(batch[number], alone[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('count', [0, 9])
def test_too_few_points_give_an_empty_volume_and_a_warning(head, points, count):
    few = points[(points[:, 0] > 5) & (points[:, 0] < 45) & (points[:, 2] > -1)][:count]
    with pytest.warns(UserWarning, match='fewer than 10 points'):
        _, _, occupancy = head([few, points])
    assert occupancy[0].abs().max() == 0
    torch.testing.assert_close(occupancy[1], head([points])[2][0])


def test_training_on_an_empty_cloud_gives_every_parameter_a_gradient(points):
    head = PointOccupancyHead(GRID).train()
    with pytest.warns(UserWarning):
        logits, guidance, _ = head([points[:0]])
    (logits.sum() + guidance.sum()).backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


def test_extra_point_columns_are_ignored(head, points):
    more = torch.cat([points, torch.rand(len(points), 1)], dim=1)
    assert torch.equal(head([more])[0], head([points])[0])


@pytest.mark.parametrize(
    ('change', 'field'), [(dict(shape=(32, 32, 12)), 'shape'), (dict(axes='xzy'), 'axes')]
)
def test_grids_that_the_network_cannot_take(change, field):
    with pytest.raises(DataError, match=f'voxel grid: {field}'):
        PointOccupancyHead({**GRID, **change})
