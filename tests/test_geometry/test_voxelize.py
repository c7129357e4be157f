import numpy as np
import torch

from mmssc.geometry import points_to_cells, points_to_occupancy, quantize_points
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


def test_points_strictly_inside_have_a_cell_and_an_offset():
    grid = VoxelGrid((0.0, -1.0, -2.0), (0.4, 0.5, 0.4), (4, 4, 2))
    low, high = torch.tensor(grid.origin), torch.tensor(grid.upper)
    points = torch.stack([
        low, high, low + 1e-3, high - 1e-3, torch.tensor([0.5, -0.4, -1.7]),
        torch.tensor([0.5, 1.1, -1.7]),
    ])  # fmt: skip
    cells, offsets, inside = points_to_cells(points, grid)
    assert inside.tolist() == [False, False, True, True, True, False]
    assert cells.tolist() == [[0, 0, 0], [3, 3, 1], [1, 1, 0]]
    torch.testing.assert_close(offsets[2], torch.tensor([-0.1, -0.15, 0.1]), atol=1e-6, rtol=0)


def test_a_point_right_below_the_upper_face_stays_inside():
    grid = VoxelGrid((0.0, -25.6, -2.0), 0.4, (128, 128, 16))
    below = torch.nextafter(torch.tensor(grid.upper), torch.zeros(3))
    cells, _, inside = points_to_cells(below[None], grid)
    assert inside.all() and (cells[0] < torch.tensor(grid.shape)).all()


def test_cells_follow_the_axes_of_the_grid():
    grid = VoxelGrid((0.0, 0.0, 0.0), 1.0, (2, 3, 4), axes=('x', 'z', 'y'))
    cells, offsets, _ = points_to_cells(torch.tensor([[0.5, 3.25, 1.5]]), grid)
    assert cells.tolist() == [[0, 1, 3]] and offsets.tolist() == [[0.0, 0.0, -0.25]]
