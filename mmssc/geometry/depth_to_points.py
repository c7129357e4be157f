"""From stereo disparity or depth maps to point clouds ("pseudo-lidar")."""

from __future__ import annotations

import torch
from torch import Tensor

from mmssc.geometry.rigid import transform_points

__all__ = ['depth_to_points', 'disparity_to_depth']

_MIN_DISPARITY = 1e-8


def disparity_to_depth(disparity: Tensor, baseline_focal: float) -> Tensor:
    """Depth of a rectified stereo pair, ``baseline * focal / disparity``.

    Args:
        disparity: Any shape, pixels.
        baseline_focal: Baseline times focal length, metres times pixels.

    Returns:
        Depth in metres, same shape and type. A disparity of 0 becomes a very large depth, not 0.
    """
    # 'number / tensor' multiplies by a rounded reciprocal; a true division is exact.
    return torch.as_tensor(baseline_focal).to(disparity) / disparity.clamp(min=_MIN_DISPARITY)


def depth_to_points(
    depth: Tensor,
    projection: Tensor,
    cam2ref: Tensor,
    min_x: float = 0.0,
    max_z: float = 80.0,
) -> Tensor:
    """Lift every pixel with depth to a point in the reference frame (pseudo-lidar).

    Wang et al., "Pseudo-LiDAR from Visual Depth Estimation", CVPR 2019, eq. 1-3; the fourth column
    of the projection is the shift of the rectified camera.

    Args:
        depth: (H, W) metres along the optical axis, 0 = none.
        projection: (3, 4) rectified projection in pixels; ``[:, 3]`` may be 0.
        cam2ref: (4, 4) rigid, rectified camera frame to the reference frame.
        min_x: Points with a smaller x in the reference frame are dropped (metres).
        max_z: Points at this height or above are dropped (metres).

    Returns:
        (M, 3) float64, M <= H * W, row by row of the image.
    """
    depth = depth.to(torch.float64)
    projection, cam2ref = projection.to(depth), cam2ref.to(depth)
    focal_u, focal_v = projection[0, 0], projection[1, 1]
    shift_x, shift_y = -projection[0, 3] / focal_u, -projection[1, 3] / focal_v
    v, u = torch.nonzero(depth > 0, as_tuple=True)
    z = depth[v, u]
    x = (u - projection[0, 2]) * z / focal_u + shift_x
    y = (v - projection[1, 2]) * z / focal_v + shift_y
    points = transform_points(torch.stack((x, y, z), 1), cam2ref)
    return points[(points[:, 0] >= min_x) & (points[:, 2] < max_z)]
