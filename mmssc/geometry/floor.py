"""Find the floor in a depth map, and from it the pose of the camera."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mmssc.errors import DataError

from .depth_mapping import check_depth_camera

__all__ = ['level_camera', 'tilted_camera']

# Number of pixels used, and half the distance (in these pixels) over which a normal is estimated.
_PIXELS = 9000
_REACH = 2
_TRIALS = 600
# A horizontal surface with a larger share of points below it is a table or a bed.
_BELOW = 0.02
_FEWEST_POINTS = 100
# The tolerance is constant up to this depth (metres).
_NEAR = 1.5


def tilted_camera(height: float, tilt: float = 0.0, roll: float = 0.0) -> Tensor:
    """Pose of a camera above the floor.

    Args:
        height: Metres above the floor.
        tilt: How far the optical axis points below the horizon, radians.
        roll: Clockwise turn about the optical axis as seen from behind the camera, radians.

    Returns:
        (4, 4) float32, camera (x right, y down, z forward) to a world with z up, the floor at
        z = 0, the camera at (0, 0, height) and the optical axis above +y.
    """
    cos_t, sin_t, cos_r, sin_r = (
        function(angle) for angle in (tilt, roll) for function in (math.cos, math.sin)
    )
    pose = torch.eye(4, dtype=torch.float64)
    level = [[1, 0, 0], [0, -sin_t, cos_t], [0, -cos_t, -sin_t]]
    turn = [[cos_r, -sin_r, 0], [sin_r, cos_r, 0], [0, 0, 1]]
    pose[:3, :3] = torch.tensor(level, dtype=torch.float64) @ torch.tensor(turn).double()
    pose[2, 3] = height
    return pose.to(torch.float32)


def level_camera(
    depth: Tensor,
    cam2img: Tensor,
    max_angle: float = math.radians(40),
    heights: tuple[float, float] = (0.4, 2.5),
    tolerance: float = 0.01,
    max_depth: float = 8.0,
) -> Tensor:
    """Pose of a camera from the visible floor.

    The floor is the plane with the most points that fits the height and tilt of a hand-held
    camera and has almost no points below it. Each point of a coarse grid of pixels proposes a
    plane through its neighbours, and the best plane is fitted again. Nothing is random: a depth
    map always gives the same pose.

    Args:
        depth: (H, W) float32, metres along the optical axis, 0 = none.
        cam2img: (3, 3) intrinsics, pixels.
        max_angle: How far the camera may be tilted or rolled, radians.
        heights: Smallest and largest height of the camera above the floor, metres.
        tolerance: Points closer to the plane than this count as on it, up to a depth of 1.5 m;
            then it grows with the square of the depth, like a depth camera's noise (metres).
        max_depth: Points farther away are ignored (metres).

    Returns:
        (4, 4) float32, as :func:`tilted_camera`: world z up, floor at z = 0, camera at x = y = 0
        and looking along +y.

    Raises:
        DataError: See :func:`check_depth_camera`, or no floor is visible.
    """
    check_depth_camera(depth, cam2img, torch.eye(4))
    near = torch.where(depth <= max_depth, depth, 0.0)
    grid = _coarse_points(near.cpu().double(), cam2img.cpu().double())
    normals, here = _local_normals(grid)
    points = grid[grid[..., 2] > 0]
    slack = tolerance * (points[:, 2] / _NEAR).square().clamp_min(1)
    height = -(normals * here).sum(1)
    possible = (normals[:, 1] <= -math.cos(max_angle)) & (height >= heights[0])
    possible &= height <= heights[1]
    candidates = torch.nonzero(possible)[:, 0]
    step = max(1, len(candidates) // _TRIALS)
    best, most = None, 0
    for candidate in candidates[::step].tolist():
        above = points @ normals[candidate] + height[candidate]
        count = int((above.abs() <= slack).sum())
        if count > most and float((above < -3 * slack).double().mean()) <= _BELOW:
            best, most = candidate, count
    if best is None or most < _FEWEST_POINTS:
        raise DataError(
            'depth', 'floor', 'a level surface with nothing below it', 'none',
            'Check the unit of the depth, or give the pose of the camera',
        )  # fmt: skip
    return _pose_over(*_fit_plane(points, normals[best], -height[best], slack))


def _coarse_points(depth: Tensor, cam2img: Tensor) -> Tensor:
    """(h, w, 3) points of every few pixels in the camera's frame, z = 0 where there is no depth."""
    stride = max(1, round(math.sqrt(depth.numel() / _PIXELS)))
    rows, columns = (torch.arange(0, side, stride) for side in depth.shape)
    z = torch.where(torch.isfinite(depth) & (depth > 0), depth, 0.0)[::stride, ::stride]
    x = (columns - cam2img[0, 2]) * z / cam2img[0, 0]
    y = (rows[:, None] - cam2img[1, 2]) * z / cam2img[1, 1]
    return torch.stack([x, y, z], -1)


def _local_normals(grid: Tensor) -> tuple[Tensor, Tensor]:
    """Upward unit normals (N, 3) and points (N, 3) of pixels whose neighbours all have depth."""
    r = _REACH
    centre = grid[r:-r, r:-r]
    left, right = grid[r:-r, : -2 * r], grid[r:-r, 2 * r :]
    upper, lower = grid[: -2 * r, r:-r], grid[2 * r :, r:-r]
    normals = torch.linalg.cross(right - left, lower - upper)
    lengths = normals.norm(dim=-1)
    whole = lengths > 1e-9
    for point in (centre, left, right, upper, lower):
        whole &= point[..., 2] > 0
    normals, centre = normals[whole] / lengths[whole][:, None], centre[whole]
    return torch.where(normals[:, 1:2] > 0, -normals, normals), centre


def _fit_plane(
    points: Tensor, normal: Tensor, offset: Tensor, slack: Tensor
) -> tuple[Tensor, float]:
    """Normal (towards the camera) and distance of the camera, fitted to the points of a plane."""
    for _ in range(3):
        members = points[(points @ normal - offset).abs() <= slack]
        center = members.mean(0)
        found = torch.linalg.svd(members - center, full_matrices=False)[2][2]
        normal = found if float(found @ normal) > 0 else -found
        offset = center @ normal
    return normal, -float(offset)


def _pose_over(normal: Tensor, height: float) -> Tensor:
    forward = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    forward = forward - (forward @ normal) * normal
    forward = forward / forward.norm()
    pose = torch.eye(4, dtype=torch.float64)
    pose[:3, :3] = torch.stack([torch.linalg.cross(forward, normal), forward, normal])
    pose[2, 3] = height
    return pose.to(torch.float32)
