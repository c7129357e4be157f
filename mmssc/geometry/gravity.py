"""Which way is up in a depth map: walls are vertical, floors and tables are level."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ['FILLED', 'SurfacePatches', 'find_up', 'surface_patches']

# Patches along the longer side of the image; normals are fitted to 3 x 3 of them.
_PATCHES = 100
#: Share of pixels with depth that a surface needs.
FILLED = 0.6
# A fit whose residual is larger lies on an edge (1/metre). One step of a Kinect is 0.003.
_FLAT = 0.012
_NEAREST = 0.2
# Model of the normals: share that is level, share that is vertical, the others point anywhere.
_LEVEL, _VERTICAL = 0.25, 0.4
_SPREAD = math.radians(5)
_STEP = math.radians(2.5)
_VOTES = 4000
# Only normals this close to level or vertical count in the refinement, degrees.
_REFINEMENT = (12, 8, 5, 4)


class SurfacePatches(NamedTuple):
    """Small flat surfaces of a depth map, in the frame of the camera.

    Args:
        normals: (N, 3) float64, unit length, towards the camera.
        points: (N, 3) float64, metres.
        areas: (N,) float64, square metres of surface.
    """

    normals: Tensor
    points: Tensor
    areas: Tensor


def surface_patches(depth: Tensor, cam2img: Tensor, max_depth: float = 8.0) -> SurfacePatches:
    """Fit small planes to a depth map.

    A plane is linear in inverse depth, and the noise of stereo and structured light is uniform
    there. So one least-squares fit serves near and far surfaces.

    Args:
        depth: (H, W) metres along the optical axis; 0, NaN or infinity = none.
        cam2img: (3, 3) intrinsics without skew, pixels.
        max_depth: Points farther away are ignored (metres).
    """
    depth, camera = depth.to('cpu', torch.float64), cam2img.to('cpu', torch.float64)
    size = max(1, round(max(depth.shape) / _PATCHES))
    valid = torch.isfinite(depth) & (depth >= _NEAREST) & (depth <= max_depth)
    weight = valid.double()
    q = torch.where(valid, 1 / torch.where(valid, depth, 1.0), 0.0)
    x = (torch.arange(depth.shape[1]) - camera[0, 2]) / camera[0, 0] * weight
    y = (torch.arange(depth.shape[0]) - camera[1, 2])[:, None] / camera[1, 1] * weight
    moments = torch.stack([weight, x, y, q, x * x, x * y, y * y, x * q, y * q, q * q])
    cells = F.avg_pool2d(moments, size)
    window = F.avg_pool2d(cells, 3, 1, padding=1)
    mean = window / window[0].clamp_min(1e-9)
    xx, xy, yy = mean[4] - mean[1] ** 2, mean[5] - mean[1] * mean[2], mean[6] - mean[2] ** 2
    xq, yq = mean[7] - mean[1] * mean[3], mean[8] - mean[2] * mean[3]
    determinant = (xx * yy - xy * xy).clamp_min(1e-15)
    a, b = (xq * yy - yq * xy) / determinant, (yq * xx - xq * xy) / determinant
    c = mean[3] - a * mean[1] - b * mean[2]
    residual = (mean[9] - mean[3] ** 2 - a * xq - b * yq).clamp_min(0).sqrt()
    centre = cells / cells[0].clamp_min(1e-9)
    ray = torch.stack([centre[1], centre[2], torch.ones_like(c)], -1)
    plane = torch.stack([a, b, c], -1)
    inverse = (plane * ray).sum(-1)
    flat = (window[0] >= FILLED) & (cells[0] > 0) & (residual < _FLAT)
    flat &= inverse > 1 / max_depth
    plane, ray, inverse = plane[flat], ray[flat], inverse[flat]
    normals = -plane / plane.norm(dim=1, keepdim=True)
    facing = -(normals * ray).sum(1).clamp_max(-1e-3)
    areas = size**2 / (camera[0, 0] * camera[1, 1]) / inverse**2 / facing
    return SurfacePatches(normals, ray / inverse[:, None], areas)


def find_up(patches: SurfacePatches, max_angle: float) -> Tensor:
    """The direction for which most surfaces are level or vertical.

    Every direction of a cone about the camera's up is tried, and the best is fitted again to the
    normals that are level or vertical under it (Gupta et al., "Perceptual Organization and
    Recognition of Indoor Scenes from RGB-D Images", CVPR 2013).

    Args:
        patches: At least one.
        max_angle: Largest angle between the result and the camera's -y before the fit, radians.

    Returns:
        (3,) float64 unit vector in the frame of the camera.
    """
    normals = patches.normals
    votes = normals[:: max(1, len(normals) // _VOTES)].float()
    directions = _directions(max_angle)
    cosine = directions.float() @ votes.T
    level = torch.exp((cosine.abs() - 1) / _SPREAD**2) * (_LEVEL / _SPREAD**2)
    vertical = torch.exp(cosine.square() / (-2 * _SPREAD**2))
    vertical *= _VERTICAL * math.sqrt(2 / math.pi) / _SPREAD
    score = torch.log(level + vertical + (1 - _LEVEL - _VERTICAL)).mean(1)
    up = directions[int(score.argmax())]
    for degrees in _REFINEMENT:
        angle = math.radians(degrees)
        cosine = normals @ up
        level = normals[cosine.abs() > math.cos(angle)]
        vertical = normals[cosine.abs() < math.sin(angle)]
        found = torch.linalg.eigh(vertical.T @ vertical - level.T @ level)[1][:, 0]
        up = found if float(found @ up) > 0 else -found
    return up


def _directions(max_angle: float) -> Tensor:
    """(N, 3) float64 unit vectors, evenly spread about the camera's up (-y): a spiral."""
    area = 2 * math.pi * (1 - math.cos(max_angle))
    count = int(area / _STEP**2) + 1
    number = torch.arange(count, dtype=torch.float64)
    up = 1 - (1 - math.cos(max_angle)) * (number + 0.5) / count
    turn = number * math.pi * (3 - math.sqrt(5))
    side = (1 - up.square()).sqrt()
    return torch.stack([side * turn.cos(), -up, side * turn.sin()], -1)
