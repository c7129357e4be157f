"""Targets and sampling places of VoxDet's head."""

from __future__ import annotations

import pytest
import torch
from tiny_voxdet import GRID, build_tiny_voxdet, make_batch

from mmssc.errors import DataError
from mmssc.models.heads.voxdet import DirectionalRefinement, sampling_grids


def test_targets_are_run_lengths_before_runs_are_hidden():
    head = build_tiny_voxdet(**{'head.hidden_runs': ((1, 9),)}).head
    _, samples = make_batch(0)
    samples[0].gt_voxels.fill_(0)
    samples[0].gt_voxels[:10, 4, 4] = 1
    samples[0].gt_voxels[:8, 8, 4] = 1
    labels, distances, coarse = head.targets(samples, GRID.shape, 4)
    assert (labels[0, :10, 4, 4] == 255).all() and (labels[0, :8, 8, 4] == 1).all()
    assert samples[0].gt_voxels[0, 4, 4] == 1, 'the labels of the sample do not change'
    assert distances.shape == (1, 6, 4, 4, 2) and coarse.shape == (1, 4, 4, 2)
    # Ten voxels from voxel 0 on, of 16; backwards the voxel itself. Voxel (8, 4, 4) is the ninth.
    assert distances[0, :2, 0, 1, 1].tolist() == [10 / 16, 1 / 16]
    assert distances[0, :2, 2, 1, 1].tolist() == [2 / 16, 9 / 16]
    assert coarse[0, :, 1, 1].tolist() == [255, 255, 255, 0]


def test_labels_of_another_size_are_refused():
    _, samples = make_batch(0)
    with pytest.raises(DataError, match='gt_voxels'):
        build_tiny_voxdet().head.targets(samples, (8, 8, 8), 4)


def test_places_lie_one_in_each_direction():
    distances = torch.zeros(1, 6, 5, 3, 2)
    distances[:, 0], distances[:, 1], distances[:, 4] = 0.5, 1.0, 1.0
    grids = sampling_grids(distances)
    # Voxel (1, 1, 0): x+ by half of the four steps, x- kept inside, z+ to the last voxel.
    assert grids[0, :, 1, 1, 0].tolist() == [
        [0.5, 0, -1], [-1, 0, -1], [-0.5, 0, -1], [-0.5, 0, -1], [-0.5, 0, 1], [-0.5, 0, -1],
    ]  # fmt: skip
    assert torch.equal(sampling_grids(distances, 'zyx'), grids.flip(-1))


def test_places_in_a_window_move_by_shares_of_the_whole():
    distances = torch.zeros(1, 6, 5, 3, 2)
    distances[:, 0], distances[:, 2] = 0.25, 1.0
    grids = sampling_grids(distances, extent=(9, 3, 2))
    # Voxel (1, 1, 0): x+ by a quarter of eight steps, y+ to the last voxel.
    assert grids[0, 0, 1, 1, 0].tolist() == [0.5, 0, -1]
    assert grids[0, 2, 1, 1, 0].tolist() == [-0.5, 1, -1]


def test_an_axis_of_one_voxel():
    assert sampling_grids(torch.rand(1, 6, 4, 4, 1)).isfinite().all()


def test_the_right_order_reads_the_voxels_that_the_distances_name():
    """With 'zyx' and align_corners the place x+ by one step is the next voxel along x."""
    torch.manual_seed(0)
    half = torch.rand(1, 1, 5, 4, 3)
    distances = torch.zeros(1, 6, 5, 4, 3)
    distances[:, 0] = 1 / 4
    (found,) = torch.nn.functional.grid_sample(
        half, sampling_grids(distances, 'zyx')[:, 0], align_corners=True
    )
    torch.testing.assert_close(found[0, :-1], half[0, 0, 1:])


def test_a_batch_is_refined_sample_by_sample():
    torch.manual_seed(0)
    layer = DirectionalRefinement(8, dict(type='GN', num_groups=2))
    x, grids = torch.randn(2, 8, 8, 6, 4), sampling_grids(torch.rand(2, 6, 4, 3, 2))
    both = layer(x, grids)
    for number in (0, 1):
        one = layer(x[number : number + 1], grids[number : number + 1])
        torch.testing.assert_close(both[number : number + 1], one)
