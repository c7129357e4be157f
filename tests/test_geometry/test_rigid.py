import numpy as np
import torch

from mmssc.geometry import invert_rigid, transform_points


def test_inverse_of_a_batch(kitti_lidar2cam):
    transforms = torch.from_numpy(np.stack((kitti_lidar2cam, np.eye(4))))
    identity = torch.eye(4, dtype=torch.float64).expand(2, 4, 4)
    torch.testing.assert_close(transforms @ invert_rigid(transforms), identity, atol=1e-6, rtol=0)
    assert torch.equal(invert_rigid(transforms)[1], identity[1])


def test_the_argument_is_left_alone(kitti_lidar2cam):
    transform = torch.from_numpy(kitti_lidar2cam.copy())
    invert_rigid(transform)
    np.testing.assert_array_equal(transform.numpy(), kitti_lidar2cam)


def test_transform_points():
    quarter_turn = torch.tensor([[0.0, -1, 0, 10], [1, 0, 0, 20], [0, 0, 1, 30], [0, 0, 0, 1]])
    points = torch.tensor([[1.0, 2, 3], [0, 0, 0]])
    assert transform_points(points, quarter_turn).tolist() == [[8, 21, 33], [10, 20, 30]]
    both = transform_points(points, torch.stack((torch.eye(4), quarter_turn)))
    assert both.shape == (2, 2, 3)
    assert torch.equal(both[0], points)
    assert torch.equal(both[1], transform_points(points, quarter_turn))
