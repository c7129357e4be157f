import numpy as np
import pytest
import torch

from mmssc.datasets.sscbench_kitti360 import kitti360_calibration
from mmssc.geometry import depth_to_points, disparity_to_depth, invert_rigid
from mmssc.parity.reference_fill import uniform

KITTI_P2 = torch.tensor(
    [[707.0912, 0, 601.8873, 46.88783], [0, 707.0912, 183.1104, 0.1178601], [0, 0, 1, 0.006203223]],
    dtype=torch.float64,
)


@pytest.fixture
def calibrations(kitti_lidar2cam):
    projection, lidar2cam = kitti360_calibration()
    return {
        'kitti': (381.8293, KITTI_P2, kitti_lidar2cam),
        'kitti360': (331.5325566, torch.from_numpy(projection), lidar2cam),
    }


@pytest.mark.parametrize('case', ['kitti', 'kitti360'])
def test_equals_the_reference(unit_cases, calibrations, case):
    baseline_focal, projection, lidar2cam = calibrations[case]
    disparity = torch.from_numpy(uniform('disparity', (24, 40), 1, 0.5, 90))
    depth = disparity_to_depth(disparity, baseline_focal)
    np.testing.assert_array_equal(depth.numpy(), unit_cases[f'pseudo_lidar/{case}_depth'])
    cam2lidar = invert_rigid(torch.from_numpy(lidar2cam))
    points = depth_to_points(depth, projection, cam2lidar).numpy().astype(np.float32)
    expected = unit_cases[f'pseudo_lidar/{case}']
    assert (expected[:, 3] == 1).all()
    np.testing.assert_array_equal(points, expected[:, :3])


def test_pixels_without_depth_give_no_point():
    projection = torch.tensor([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]])
    depth = torch.tensor([[0.0, 2.0], [3.0, 0.0]])
    points = depth_to_points(depth, projection, torch.eye(4))
    assert points.tolist() == [[2, 0, 2], [0, 3, 3]]
    assert depth_to_points(torch.zeros(4, 5), projection, torch.eye(4)).shape == (0, 3)


def test_points_behind_or_too_high_are_dropped():
    # Camera x is the reference's x, camera z is its height.
    projection = torch.tensor([[1.0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 1, 0]])
    depth = torch.tensor([[5.0, 5.0, 80.0, 79.0]])
    points = depth_to_points(depth, projection, torch.eye(4))
    assert points.tolist() == [[0, 0, 5], [158, 0, 79]]
    assert len(depth_to_points(depth, projection, torch.eye(4), min_x=-5, max_z=81)) == 4


def test_lift_inverts_projection(kitti_lidar2cam):
    # A point seen at (u, v) with depth d must project back to (u, v, d).
    depth = torch.full((3, 4), 7.5)
    cam2lidar = invert_rigid(torch.from_numpy(kitti_lidar2cam))
    points = depth_to_points(depth, KITTI_P2, cam2lidar, min_x=-1e9, max_z=1e9)
    homogeneous = torch.cat((points, torch.ones(12, 1, dtype=torch.float64)), 1)
    in_camera = homogeneous @ torch.from_numpy(kitti_lidar2cam).T
    projection = KITTI_P2.clone()
    projection[2, 3] = 0  # the pseudo-lidar convention leaves the shift along z out
    u, v, d = (in_camera @ projection.T).T
    expected_v, expected_u = torch.meshgrid(torch.arange(3.0), torch.arange(4.0), indexing='ij')
    torch.testing.assert_close((u / d).float(), expected_u.reshape(-1), atol=1e-3, rtol=0)
    torch.testing.assert_close((v / d).float(), expected_v.reshape(-1), atol=1e-3, rtol=0)
    torch.testing.assert_close(d.float(), torch.full((12,), 7.5))
