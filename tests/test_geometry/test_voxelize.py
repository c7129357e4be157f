import numpy as np
import torch

from mmssc.geometry import points_to_occupancy, quantize_points
from mmssc.structures import VoxelGrid

GRID = VoxelGrid((0, -25.6, -2), 0.2, (256, 256, 32))


def test_points_at_the_border_are_outside():
    inside = torch.tensor([[1e-3, -25.599, -1.999], [51.199, 25.599, 4.399]])
    outside = torch.tensor([[5e-5, 0, 0], [1, -25.6, 0], [1, 0, 4.4], [51.19999, 0, 0], [-1, 0, 0]])
    indices, mask = quantize_points(torch.cat((inside, outside)), GRID)
    assert mask.tolist() == [True] * 2 + [False] * 5
    assert indices.tolist() == [[0, 0, 0], [255, 255, 31]]
    assert indices.dtype == torch.int64


def test_float32_order_of_operations():
    # x = 0.2 * k in float32 lies within a rounding error of a voxel face.
    x = torch.arange(1, 256) * np.float32(0.2)
    points = torch.stack((x, torch.zeros(255), torch.zeros(255)), 1)
    indices, _ = quantize_points(points, GRID)
    expected = (np.float32(256) * (x.numpy() - np.float32(0)) / np.float32(51.2)).astype(np.int64)
    np.testing.assert_array_equal(indices[:, 0].numpy(), expected)
    in_float64 = np.trunc(x.numpy().astype(np.float64) * 256 / 51.2)
    assert (in_float64 != expected).any()


def test_equals_the_reference(unit_cases):
    points = torch.from_numpy(unit_cases['occ_head/points'])
    expected = unit_cases['occ_head/voxel_coords_bxyz'][:, 1:]
    # The 32 x 32 x 16 grid of the case spans the benchmark's volume.
    grid = VoxelGrid((0, -25.6, -2), (1.6, 1.6, 0.4), (32, 32, 16))
    indices, mask = quantize_points(points, grid)
    assert int(mask.sum()) == len(unit_cases['occ_head/point_features'])
    np.testing.assert_array_equal(torch.unique(indices, dim=0).numpy(), expected)
    np.testing.assert_array_equal(
        torch.nonzero(points_to_occupancy(points, grid)).numpy(), expected
    )


def test_axes_of_the_grid_are_respected():
    plain = VoxelGrid((0, -4, -2), (1, 1, 0.5), (8, 8, 8))
    swapped = VoxelGrid((-2, 0, -4), (0.5, 1, 1), (8, 8, 8), axes=('z', 'x', 'y'))
    points = torch.rand(50, 3, generator=torch.Generator().manual_seed(0)) * 8 - 3
    first, first_mask = quantize_points(points, plain)
    second, second_mask = quantize_points(points, swapped)
    assert torch.equal(first_mask, second_mask)
    assert 0 < len(first) < 50
    assert torch.equal(first[:, [2, 0, 1]], second)
    assert torch.equal(
        points_to_occupancy(points, plain).permute(2, 0, 1), points_to_occupancy(points, swapped)
    )


def test_no_points():
    assert quantize_points(torch.zeros(0, 3), GRID)[0].shape == (0, 3)
    assert not points_to_occupancy(torch.zeros(0, 3), GRID).any()
