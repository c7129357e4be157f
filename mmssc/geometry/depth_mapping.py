"""Which voxel each pixel of a depth map hits, and the maps between pixels and voxels."""

from __future__ import annotations

import torch
from torch import Tensor

from mmssc.errors import DataError
from mmssc.structures import VoxelGrid
from mmssc.structures.camera_checks import as_intrinsics, as_pose

from .tracing import has_values

__all__ = [
    'depth_to_voxels', 'voxel_pixel_mapping', 'invert_mapping', 'invert_pixel_mapping',
    'place_grid', 'check_depth_camera', 'hit_voxels',
]  # fmt: skip


def check_depth_camera(depth: Tensor, cam2img: Tensor, cam2world: Tensor) -> None:
    """Check a depth map and a pinhole camera for the functions of this module.

    Args:
        depth: (H, W) metres.
        cam2img: (3, 3) intrinsics.
        cam2world: (4, 4) rigid transform.

    Raises:
        DataError: A shape is wrong, a number is not finite, a focal length is not positive, the
            intrinsics are skewed, or the pose is not a rotation and a shift.
    """
    if depth.ndim != 2 or not depth.is_floating_point():
        found = f'{depth.dtype} {tuple(depth.shape)}'
        raise DataError('camera', 'depth', 'floating point metres (H, W)', found)
    for name, matrix, shape in (('cam2img', cam2img, (3, 3)), ('cam2world', cam2world, (4, 4))):
        if tuple(matrix.shape) != shape:
            raise DataError('camera', name, shape, tuple(matrix.shape))
    as_intrinsics(cam2img.tolist(), 'camera', 'cam2img')
    as_pose(cam2world.tolist(), 'camera', 'cam2world')


def depth_to_voxels(depth: Tensor, cam2img: Tensor, cam2world: Tensor, grid: VoxelGrid) -> Tensor:
    """The voxel that holds the surface point of each pixel.

    Pixel (u, v) with depth d is the camera point ``((u - cx) d / fx, (v - cy) d / fy, d)``. All
    operations are in float32 and in a fixed order, because the order decides the voxel of points
    on a face. It is the order of the tools of SSCNet (Song et al., CVPR 2017) and its successors,
    so the result equals their files voxel by voxel, on every device.

    Args:
        depth: (H, W) float32, metres along the optical axis; 0, negative or not finite = none.
        cam2img: (3, 3) intrinsics without skew, pixels.
        cam2world: (4, 4) rigid, camera (x right, y down, z forward) to the frame of ``grid``.
        grid: The fine grid, any order of axes.

    Returns:
        (H, W) int64 flat voxel index in array order, -1 if there is no depth or the point is
        outside the grid.

    Raises:
        DataError: See :func:`check_depth_camera`.
    """
    check_depth_camera(depth, cam2img, cam2world)
    depth = depth.to(torch.float32)
    camera, pose = cam2img.to(depth), cam2world.to(depth)
    height, width = depth.shape
    u = torch.arange(width, device=depth.device, dtype=torch.float32)
    v = torch.arange(height, device=depth.device, dtype=torch.float32)[:, None]
    x = (u - camera[0, 2]) * depth / camera[0, 0]
    y = (v - camera[1, 2]) * depth / camera[1, 1]

    index = torch.zeros_like(depth, dtype=torch.int64)
    inside = (depth > 0) & torch.isfinite(depth)
    for name, origin, size, count in zip(grid.axes, grid.origin, grid.voxel_size, grid.shape):
        row = pose['xyz'.index(name)]
        world = row[0] * x + row[1] * y + row[2] * depth + row[3]
        # Tensors: some devices multiply by the reciprocal when they divide by a plain number.
        low, step = depth.new_tensor(origin), depth.new_tensor(size)
        cell = torch.floor((world - low) / step)
        inside &= (cell >= 0) & (cell < count)
        index = index * count + cell.nan_to_num(0, 0, 0).clamp(0, count - 1).to(torch.int64)
    return index.masked_fill_(~inside, -1)


def voxel_pixel_mapping(pixel_voxels: Tensor, grid_fine: VoxelGrid, factor: int = 1) -> Tensor:
    """For each voxel of a coarser grid, a pixel that sees it.

    If several pixels have their fine voxel in one coarse voxel, the pixel with the largest flat
    index is taken (the rule of SATNet's and TorchSSC's files).

    Args:
        pixel_voxels: (H, W) flat index of the fine voxel of each pixel, -1 = none, see
            :func:`depth_to_voxels`.
        grid_fine: The fine grid.
        factor: Fine voxels along an edge of a coarse voxel.

    Returns:
        Coarse shape (X, Y, Z), int32: flat pixel index ``row * W + column``, -1 = none.

    Raises:
        DataError: A side of the grid is not a multiple of ``factor``, or a voxel index is not in
            the grid.
    """
    coarse = grid_fine.coarsen(factor)
    pixels, voxels = _valid_entries(pixel_voxels.reshape(-1), grid_fine.num_voxels, 'pixel_voxels')
    _, num_y, num_z = grid_fine.shape
    x = torch.div(voxels, num_y * num_z, rounding_mode='floor') // factor
    y = torch.div(voxels, num_z, rounding_mode='floor') % num_y // factor
    z = voxels % num_z // factor
    cells = (x * coarse.shape[1] + y) * coarse.shape[2] + z
    mapping = torch.full((coarse.num_voxels,), -1, dtype=torch.int64, device=voxels.device)
    mapping.scatter_reduce_(0, cells, pixels, 'amax')
    return mapping.to(torch.int32).reshape(coarse.shape)


def invert_mapping(voxel_to_pixel: Tensor, image_size: tuple[int, int]) -> Tensor:
    """Convert a pixel per voxel to a voxel per pixel.

    Args:
        voxel_to_pixel: (..., X, Y, Z) integers, flat pixel index, -1 = none.
        image_size: (height, width) in pixels.

    Returns:
        (..., H, W), same type and device: flat voxel index, -1 = none. If several voxels have the
        same pixel, the largest index is kept (the reference assigns in ascending order).

    Raises:
        DataError: A pixel index is not in the image.
    """
    *batch, x, y, z = voxel_to_pixel.shape
    height, width = image_size
    flat = _invert(voxel_to_pixel.reshape(-1, x * y * z), height * width, 'voxel_to_pixel')
    return flat.reshape(*batch, height, width)


def invert_pixel_mapping(pixel_to_voxel: Tensor, num_voxels: int) -> Tensor:
    """Convert a voxel per pixel to a pixel per voxel.

    Args:
        pixel_to_voxel: (..., H, W) integers, flat voxel index, -1 = none.
        num_voxels: Number of voxels of the grid.

    Returns:
        (..., num_voxels), same type and device: flat pixel index, -1 = none. If several pixels
        have the same voxel, the last pixel in row-major order is kept, on every device.

    Raises:
        DataError: A voxel index is not in the grid.
    """
    *batch, height, width = pixel_to_voxel.shape
    flat = _invert(pixel_to_voxel.reshape(-1, height * width), num_voxels, 'pixel_to_voxel')
    return flat.reshape(*batch, num_voxels)


def place_grid(
    cam2world: Tensor,
    voxel_size: float,
    shape: tuple[int, int, int],
    axes: tuple[str, str, str] = ('x', 'z', 'y'),
    distance: float = 3.4,
    floor: float = -0.05,
) -> VoxelGrid:
    """Place the grid of a frame by SSCNet's rule: centred in front of the camera.

    Args:
        cam2world: (4, 4) rigid pose in a world whose z axis points up and whose floor is z = 0
            (metres).
        voxel_size: Edge of a voxel in metres.
        shape: Number of voxels along each array axis.
        axes: World axis of each array axis.
        distance: The horizontal centre is the point at this distance on the optical axis (metres).
        floor: Lower side of the grid, world z (metres).

    Returns:
        The grid, frame ``'world'``. The origin is computed in float32, as in the files.

    Raises:
        DataError: The pose is not (4, 4) or not rigid, or the grid is invalid.
    """
    as_pose(cam2world.tolist(), 'camera', 'cam2world')
    pose = cam2world.to('cpu', torch.float32)
    ahead = pose[:3, 2] * distance + pose[:3, 3]
    origin = []
    for name, count in zip(axes, shape):
        middle = float(ahead['xyz'.index(name)])
        low = floor if name == 'z' else middle - voxel_size * count / 2
        origin.append(float(torch.tensor(low, dtype=torch.float32)))
    size = (voxel_size,) * 3
    return VoxelGrid((origin[0], origin[1], origin[2]), size, shape, axes, 'world')


def hit_voxels(pixel_voxels: Tensor, num_voxels: int) -> Tensor:
    """The entries of ``pixel_voxels`` that are a voxel, (N,) int64, including duplicates.

    Raises:
        DataError: An entry is neither -1 nor a voxel of the grid.
    """
    return _valid_entries(pixel_voxels.reshape(-1), num_voxels, 'pixel_voxels')[1]


def _valid_entries(indices: Tensor, size: int, name: str) -> tuple[Tensor, Tensor]:
    """Positions and values (both int64) of the entries of a flat index list that are not -1."""
    positions = torch.nonzero(indices != -1)[:, 0]
    values = indices[positions].to(torch.int64)
    if has_values() and len(values):
        low, high = (int(bound) for bound in torch.aminmax(values))
        if low < 0 or high >= size:
            found = low if low < 0 else high
            raise DataError('mapping', name, f'-1 or 0..{size - 1}', found)
    return positions, values


def _invert(mapping: Tensor, size: int, name: str) -> Tensor:
    """(B, N) of indices below ``size`` -> (B, size), the largest position of each index."""
    batch, count = mapping.shape
    positions, values = _valid_entries(mapping.reshape(-1), size, name)
    sample = torch.div(positions, max(count, 1), rounding_mode='floor')
    inverse = torch.full((batch * size,), -1, dtype=torch.int64, device=mapping.device)
    inverse.scatter_reduce_(0, sample * size + values, positions - sample * count, 'amax')
    return inverse.to(mapping.dtype).reshape(batch, size)
