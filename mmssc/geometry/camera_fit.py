"""The pose of a depth camera, fitted to the voxels that its pixels hit."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from mmssc.errors import DataError
from mmssc.structures import VoxelGrid

__all__ = ['FittedCamera', 'fit_camera_pose']

_FEWEST_VOXELS = 50
_ITERATIONS = 60
_DAMPING = 1e-3
# A voxel counts less if its centre is farther from its pixel's ray than this (metres): the surface
# point can be anywhere in the voxel.
_OUTLIER_IN_VOXELS = 0.75
_NEAREST = 0.3


class FittedCamera(NamedTuple):
    """Result of :func:`fit_camera_pose`.

    Args:
        cam2grid: (4, 4) float64, camera (x right, y down, z forward) to the frame of the grid.
        error: Median distance, in pixels, of a pixel from the projected centre of its voxel.
        num_voxels: Number of voxels used.
    """

    cam2grid: Tensor
    error: float
    num_voxels: int


def fit_camera_pose(
    voxel_to_pixel: Tensor, image_size: tuple[int, int], cam2img: Tensor, grid: VoxelGrid
) -> FittedCamera:
    """Find the camera whose rays go through the voxels that its pixels hit.

    The published files of NYU give a pixel for each visible voxel but no pose. A few hundred such
    pairs determine the pose: robust, damped least squares over rotation and position. The start
    is a level camera that looks along y from the lower end of the box.

    Args:
        voxel_to_pixel: (X, Y, Z) integers, flat pixel index ``row * W + column``, -1 = none.
        image_size: (height, width) in pixels.
        cam2img: (3, 3) intrinsics without skew, pixels.
        grid: The grid; z is up in its frame.

    Raises:
        DataError: Fewer than 50 voxels are hit, or no pose fits them.
    """
    index = torch.nonzero(voxel_to_pixel >= 0)
    if len(index) < _FEWEST_VOXELS:
        expected = f'{_FEWEST_VOXELS} or more voxels that a pixel hits'
        raise DataError('camera fit', 'voxel_to_pixel', expected, len(index))
    hit = (voxel_to_pixel >= 0).reshape(-1).cpu()
    points = grid.centers(torch.float64)[hit]
    pixels = voxel_to_pixel.reshape(-1).cpu()[hit].to(torch.float64)
    row = torch.div(pixels, image_size[1], rounding_mode='floor')
    camera = cam2img.to('cpu', torch.float64)
    rays = torch.stack([pixels - row * image_size[1], row], 1) - camera[:2, 2]
    rays = rays / camera.diagonal()[:2]
    slack = _OUTLIER_IN_VOXELS * max(grid.voxel_size)
    rotation, position = _first_guess(grid)
    for _ in range(_ITERATIONS):
        step = _damped_step(points, rays, rotation, position, slack)
        rotation = torch.linalg.matrix_exp(_cross_matrix(step[:3])) @ rotation
        position = position + step[3:]
        if float(step.abs().max()) < 1e-7:
            break
    local = (points - position) @ rotation.T
    distance = (local[:, :2] / local[:, 2:] - rays) * camera.diagonal()[:2]
    error = float(distance.norm(dim=1).median())
    cell = max(grid.voxel_size) * float(camera[0, 0]) / float(local[:, 2].median())
    if not (bool((local[:, 2] > 0).double().mean() > 0.9) and error < cell):
        found = f'{error:.1f} pixels'
        expected = f'a median error below one voxel ({cell:.1f} pixels)'
        raise DataError('camera fit', 'pose', expected, found, 'Check the intrinsics of the camera')
    pose = torch.eye(4, dtype=torch.float64)
    pose[:3, :3], pose[:3, 3] = rotation.T, position
    return FittedCamera(pose, error, len(points))


def _first_guess(grid: VoxelGrid) -> tuple[Tensor, Tensor]:
    """Rotation (world to camera) and position: level, 1.3 m up, 1 m in front of the box."""
    low, high = (dict(zip(grid.axes, corner)) for corner in (grid.origin, grid.upper))
    position = [(low['x'] + high['x']) / 2, low['y'] - 1.0, low['z'] + 1.3]
    level = [[1, 0, 0], [0, 0, -1], [0, 1, 0]]
    return torch.tensor(level).double(), torch.tensor(position).double()


def _cross_matrix(vector: Tensor) -> Tensor:
    """(..., 3) -> (..., 3, 3), the matrix of the left cross product."""
    x, y, z = vector.unbind(-1)
    zero = torch.zeros_like(x)
    rows = [zero, -z, y, z, zero, -x, -y, x, zero]
    return torch.stack(rows, -1).unflatten(-1, (3, 3))


def _damped_step(
    points: Tensor, rays: Tensor, rotation: Tensor, position: Tensor, slack: float
) -> Tensor:
    """A damped Gauss-Newton step (6,): turn in the camera's frame, shift of the position."""
    local = (points - position) @ rotation.T
    depth = local[:, 2].clamp_min(_NEAREST)
    residual = local[:, :2] / depth[:, None] - rays
    # In metres across the ray, and linear beyond the slack.
    distance = residual.norm(dim=1) * depth
    weight = depth.square() * (slack / distance.clamp_min(slack))
    projection = torch.zeros(len(points), 2, 3, dtype=points.dtype)
    projection[:, 0, 0] = projection[:, 1, 1] = 1 / depth
    projection[:, :, 2] = -local[:, :2] / depth.square()[:, None]
    jacobian = torch.cat([projection @ -_cross_matrix(local), -projection @ rotation], 2)
    weighted = jacobian * weight[:, None, None]
    normal = torch.einsum('nij,nik->jk', weighted, jacobian)
    gradient = torch.einsum('nij,ni->j', weighted, residual)
    damped = normal + _DAMPING * torch.diag(normal.diagonal())
    return -torch.linalg.solve(damped, gradient)
