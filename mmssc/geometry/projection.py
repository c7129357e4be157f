"""Projection of voxels to pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mmssc.errors import DataError
from mmssc.geometry.rigid import transform_points
from mmssc.structures import VoxelGrid

__all__ = ['PROJECTION_RULES', 'field_of_view_mask', 'project_voxels', 'voxel_to_pixel']

#: Rules for number types and rounding, see :func:`project_voxels`.
PROJECTION_RULES = ('sgn', 'monoscene')
# Smaller depths are replaced by this before a division, so that nothing becomes infinite (metres).
_MIN_DEPTH = 1e-6
# Voxels at a time on the CPU: the numbers between two operations then stay in its cache.
_CHUNK = 1 << 16


def project_voxels(
    grid: VoxelGrid, ref2cam: Tensor, cam2img: Tensor, rule: str = 'sgn'
) -> tuple[Tensor, Tensor]:
    """Project every voxel centre of a grid.

    Number types and the order of operations decide the last bit, so they change a few pixels in a
    million. Each family of published models has its own rule. Both round intrinsics to float32
    and pixels half to even:

    - ``'sgn'``: centres in float32, the rest in float64; depths below 1e-6 m become 1e-6 m.
    - ``'monoscene'`` (MonoScene, Symphonies): origin rounded to float32, centres computed in
      float64 and rounded to float32, the rest in the type of ``ref2cam`` (MonoScene has float32
      poses on NYU), ``x * f / z + c`` with no limit on z.

    Args:
        grid: V voxels.
        ref2cam: (..., 4, 4), frame of the grid to the camera (x right, y down, z forward).
        cam2img: (..., 3, 3) intrinsics; leading dimensions broadcast with those of ``ref2cam``.
        rule: One of :data:`PROJECTION_RULES`.

    Returns:
        ``pixels`` (..., V, 2) int64, columns (u, v), rounded; a voxel behind the camera may have a
        huge value, so mask it before you compute an index. ``depth`` (..., V) along the optical
        axis in metres.

    Raises:
        DataError: The rule is unknown.
    """
    if rule not in PROJECTION_RULES:
        raise DataError('projection', 'rule', ' or '.join(PROJECTION_RULES), rule)
    device = ref2cam.device
    if rule == 'sgn':
        centers, project = grid.centers(torch.float32, device), _project_sgn
    else:
        origin = np.asarray(grid.origin, np.float32).tolist()
        exact = replace(grid, origin=tuple(origin)).centers(torch.float64, device)
        centers, project = exact.to(torch.float32), _project_monoscene
    size = _CHUNK if device.type == 'cpu' else len(centers)
    parts = [project(chunk, ref2cam, cam2img) for chunk in centers.split(size)]
    pixels, depth = zip(*parts)
    return torch.cat(pixels, dim=-2), torch.cat(depth, dim=-1)


def _project_sgn(centers: Tensor, ref2cam: Tensor, cam2img: Tensor) -> tuple[Tensor, Tensor]:
    in_camera = transform_points(centers.to(torch.float64), ref2cam.to(torch.float64))
    in_image = in_camera @ cam2img.to(torch.float32).to(torch.float64).mT
    depth = in_image[..., 2:]
    image = in_image[..., :2] / depth.clamp(min=_MIN_DEPTH)
    return torch.round(image).to(torch.int64), depth[..., 0]


def _project_monoscene(centers: Tensor, ref2cam: Tensor, cam2img: Tensor) -> tuple[Tensor, Tensor]:
    # One product of (x, y, z, 1): adding the shift afterwards changes the last bit in float32.
    # Autocast would reduce the precision of a float32 pose.
    with torch.autocast(ref2cam.device.type, enabled=False):
        points = F.pad(centers.to(ref2cam.dtype), (0, 1), value=1.0)
        in_camera = points @ ref2cam[..., :3, :].mT
    depth = in_camera[..., 2:]
    matrix = cam2img.to(torch.float32).to(ref2cam.dtype)[..., None, :, :]
    focal, center = matrix[..., :2, :2].diagonal(dim1=-2, dim2=-1), matrix[..., :2, 2]
    image = in_camera[..., :2] * focal / depth + center
    return torch.round(image).to(torch.int64), depth[..., 0]


def voxel_to_pixel(
    grid: VoxelGrid,
    ref2cam: Tensor,
    cam2img: Tensor,
    image_size: tuple[int, int],
    rule: str = 'sgn',
) -> tuple[Tensor, Tensor]:
    """Project every voxel centre of a grid into images.

    Args:
        grid: V voxels.
        ref2cam: See :func:`project_voxels`.
        cam2img: See :func:`project_voxels`.
        image_size: (height, width) in pixels.
        rule: See :func:`project_voxels`.

    Returns:
        ``pixels`` (..., V, 2) int64 as in :func:`project_voxels`. ``visible`` (..., V) bool:
        in front of the camera and, after rounding, inside the image.
    """
    pixels, depth = project_voxels(grid, ref2cam, cam2img, rule)
    u, v = pixels.unbind(-1)
    height, width = image_size
    visible = (u >= 0) & (u < width) & (v >= 0) & (v < height) & (depth > 0)
    return pixels, visible


def field_of_view_mask(
    grid: VoxelGrid,
    ref2cam: Tensor,
    cam2img: Tensor,
    image_size: tuple[int, int],
    rule: str = 'sgn',
) -> Tensor:
    """Voxels whose centre is visible, as a volume.

    Args and rounding as in :func:`voxel_to_pixel`.

    Returns:
        (..., X, Y, Z) bool, array axes of the grid.
    """
    visible = voxel_to_pixel(grid, ref2cam, cam2img, image_size, rule)[1]
    return visible.reshape(*visible.shape[:-1], *grid.shape)
