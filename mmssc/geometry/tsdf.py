"""Truncated signed distance volumes of one depth map."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product

import torch
from torch import Tensor
from torch.nn import functional

from mmssc.errors import DataError
from mmssc.geometry.depth_mapping import check_depth_camera, hit_voxels
from mmssc.structures import VoxelGrid

__all__ = ['compute_tsdf', 'observed_voxels', 'pool_tsdf', 'flip_tsdf', 'label_weight']

# Voxels per slab. CPU: large enough for vector units, small enough for the cache of a core. Other
# devices: few operations, each in memory of a few hundred MB.
_SLAB_VOXELS, _SLAB_VOXELS_ELSEWHERE = 100_000, 10_000_000
# A voxel this close to the measured depth is not behind it (metres).
_DEPTH_TOLERANCE = 1e-4
# The largest float32 below a half: x + 0.5 would round 0.49999997 up to 1.
_BELOW_HALF = 0.49999997
# A divisor in place of 0.
_SMALLEST = 1e-30
# Smallest magnitude of a flipped value; a smaller distance has no sign.
_FLIPPED_MINIMUM = 1e-3


def compute_tsdf(
    depth: Tensor,
    pixel_voxels: Tensor,
    cam2img: Tensor,
    cam2world: Tensor,
    grid: VoxelGrid,
    truncation: float = 0.24,
    depth_limits: tuple[float, float] = (0.5, 8.0),
) -> Tensor:
    """The TSDF of one view, as the indoor completion benchmarks define it.

    This is not the projective distance: the magnitude is the Euclidean distance to the nearest
    voxel that a pixel hits. The sign says whether the lower corner of the voxel is in front of (+)
    or behind (-) the depth of its pixel. +1 is visible empty space farther than ``truncation`` from
    a surface, -1 is hidden. 0 means "surface" or "not observed" (outside the image, behind the
    camera, no depth, depth beyond the limits); see :func:`observed_voxels`.

    It uses float32 and the order of operations of SSCNet's CUDA tool (Song et al., CVPR 2017, as
    changed by SATNet and TorchSSC), but an exact distance transform instead of a search in a box.
    The result is the same on every device. It needs the memory of a few volumes of ``grid``.

    Args:
        depth: (H, W) float32, metres along the optical axis, 0 = none.
        pixel_voxels: (H, W) voxel of each pixel, -1 = none: :func:`depth_to_voxels` of the same
            depth, camera and grid.
        cam2img: (3, 3) intrinsics without skew, pixels.
        cam2world: (4, 4) rigid, camera to the frame of the grid.
        grid: The fine grid, any order of axes.
        truncation: Distance at which the magnitude is 1 (metres).
        depth_limits: A voxel whose pixel has a smaller or larger depth is not observed (metres).

    Returns:
        float32 of ``grid.shape`` in [-1, 1].

    Raises:
        DataError: See :func:`check_depth_camera`, or ``pixel_voxels`` has another shape than
            ``depth`` or an index that is not in the grid, the truncation is not positive, or no
            depth is within the limits.
    """
    check_depth_camera(depth, cam2img, cam2world)
    if pixel_voxels.shape != depth.shape:
        raise DataError('TSDF', 'pixel_voxels', tuple(depth.shape), tuple(pixel_voxels.shape))
    if not 0 < truncation < math.inf:
        raise DataError('TSDF', 'truncation', 'a positive length', truncation)
    if not 0 <= depth_limits[0] < depth_limits[1]:
        raise DataError('TSDF', 'depth_limits', '0 <= low < high', tuple(depth_limits))
    depth = depth.to(torch.float32)
    squares = _squared_distance(pixel_voxels, grid, truncation)
    reach = _number(truncation / min(grid.voxel_size), depth.device)
    projection = _CornerProjection(depth, cam2img, cam2world, grid, depth_limits)
    tsdf = torch.empty(grid.shape, dtype=torch.float32, device=depth.device)
    for (slab,) in _slabs(tsdf, 0):
        # A sum of squares is exact in float32.
        magnitude = squares[slab].to(torch.float32).sqrt_().div_(reach).clamp_(max=1)
        # A product with the sign -1 may be -0.
        tsdf[slab] = magnitude.mul_(projection.sign(slab)).add_(0.0)
    return tsdf


def _slabs(volume: Tensor, axis: int) -> Iterator[tuple[slice, ...]]:
    """Indices of the parts of a volume along an axis."""
    count = _SLAB_VOXELS if volume.device.type == 'cpu' else _SLAB_VOXELS_ELSEWHERE
    length = volume.shape[axis]
    planes = max(1, count * length // volume.numel())
    for first in range(0, length, planes):
        yield (slice(None),) * axis + (slice(first, min(first + planes, length)),)


class _CornerProjection:
    """Signs of the voxels of a grid, slab by slab along its first axis.

    A corner in camera coordinates is ``R^T (corner - t)``. The products with each world coordinate
    are vectors along one array axis, so the volume only needs their sum: x, then y, then z.
    """

    def __init__(
        self,
        depth: Tensor,
        cam2img: Tensor,
        cam2world: Tensor,
        grid: VoxelGrid,
        depth_limits: tuple[float, float],
    ) -> None:
        self.depth = depth
        camera, pose = cam2img.to(depth), cam2world.to(depth)
        self.focal, self.center = (camera[0, 0], camera[1, 1]), (camera[0, 2], camera[1, 2])
        low, high = depth_limits
        has_depth = (depth >= low) & (depth <= high)
        # Measured depth with a border of one pixel, NaN where there is none: flat, for lookups.
        measured = torch.where(has_depth, depth, math.nan)
        self.measured = functional.pad(measured, (1, 1, 1, 1), value=math.nan).reshape(-1)
        # terms[w][i]: R[w, i] * (corner_w - t_w), shaped to broadcast along its array axis.
        self.terms: list[list[Tensor]] = []
        self.first_axis = 'xyz'.index(grid.axes[0])
        for world, name in enumerate('xyz'):
            axis = grid.axes.index(name)
            index = torch.arange(grid.shape[axis], device=depth.device, dtype=torch.float32)
            step = depth.new_tensor(grid.voxel_size[axis])
            offset = index * step + depth.new_tensor(grid.origin[axis]) - pose[world, 3]
            shape = [1, 1, 1]
            shape[axis] = -1
            self.terms.append([(pose[world, i] * offset).reshape(shape) for i in range(3)])

    def _coordinate(self, i: int, slab: slice) -> Tensor:
        x, y, z = (
            terms[i][slab] if world == self.first_axis else terms[i]
            for world, terms in enumerate(self.terms)
        )
        return x + y + z

    def sign(self, slab: slice) -> Tensor:
        """+1 in front, -1 behind, 0 not observed; float32, shape of the slab."""
        height, width = self.depth.shape
        z = self._coordinate(2, slab)
        # What is not in front of the camera is left out below.
        ahead = z.clamp(min=_SMALLEST)
        row, column = (
            # Rounded, halves upwards; outside the image: a pixel of the border.
            (self._coordinate(i, slab).div_(ahead).mul_(self.focal[i]).add_(self.center[i]))
            .add_(_BELOW_HALF).floor_().clamp_(-1, size).to(torch.int32)
            for i, size in ((1, height), (0, width))
        )  # fmt: skip
        pixels = row.add_(1).mul_(width + 2).add_(column).add_(1)
        measured = self.measured.index_select(0, pixels.reshape(-1)).reshape(z.shape)
        behind = z - measured
        known = (behind == behind) & (z > 0)
        in_front = (behind < _DEPTH_TOLERANCE) & known
        # Bytes are faster than bools.
        signs = in_front.view(torch.int8).mul(2).sub_(known.view(torch.int8))
        return signs.to(torch.float32)


def _squared_distance(pixel_voxels: Tensor, grid: VoxelGrid, truncation: float) -> Tensor:
    """Squared distance to the nearest voxel hit, in the smallest edges of a voxel; grid shape.

    The squared distance is separable: one minimum over shifts per axis, exact up to the truncation.
    """
    device = pixel_voxels.device
    unit = min(grid.voxel_size)
    reach = truncation / unit
    is_cubic = max(grid.voxel_size) == unit
    limit = math.ceil(reach * reach - 1e-6)
    # If voxels are cubes, use whole numbers of squared voxels: half the memory, twice the speed.
    whole = is_cubic and 2 * limit < torch.iinfo(torch.int16).max
    dtype = torch.int16 if whole else torch.float32
    squares = torch.full((grid.num_voxels,), limit, dtype=dtype, device=device)
    squares[hit_voxels(pixel_voxels, grid.num_voxels)] = 0
    squares = squares.reshape(grid.shape)
    for axis in range(3):
        ratio = grid.voxel_size[axis] / unit
        squares = _minimum_over_shifts(squares, axis, ratio, limit)
    return squares


def _number(value: float, device: torch.device) -> Tensor:
    """A number as float32 tensor: every device then really divides by it."""
    nearest = round(value)
    value = nearest if abs(value - nearest) < 1e-6 else value
    return torch.tensor(value, dtype=torch.float32, device=device)


def _minimum_over_shifts(squares: Tensor, axis: int, ratio: float, limit: int) -> Tensor:
    """``min_k squares[i + k] + (k * ratio) ** 2`` along one axis, in place."""
    # Slab by slab along another axis, so that all shifts work in the cache.
    for slab in _slabs(squares, 0 if axis else 1):
        squares[slab] = _shifted_minimum(squares[slab], axis, ratio, limit)
    return squares


def _shifted_minimum(squares: Tensor, axis: int, ratio: float, limit: int) -> Tensor:
    """:func:`_minimum_over_shifts` of a slab, as a new tensor."""
    result = squares.clone()
    length = squares.shape[axis]
    for shift in range(1, length):
        cost = (shift * ratio) ** 2
        if cost >= limit:
            break
        step = int(cost) if not squares.is_floating_point() else cost
        raised = squares + step
        for target, source in ((0, shift), (shift, 0)):
            kept = result.narrow(axis, target, length - shift)
            torch.minimum(kept, raised.narrow(axis, source, length - shift), out=kept)
    return result


def observed_voxels(tsdf: Tensor, pixel_voxels: Tensor) -> Tensor:
    """Voxels that the camera observed: on a surface, in front of it or hidden by it.

    Args:
        tsdf: (X, Y, Z) of :func:`compute_tsdf`, at full resolution.
        pixel_voxels: (H, W) voxel of each pixel, -1 = none.

    Returns:
        bool, (X, Y, Z).
    """
    observed = (tsdf != 0).reshape(-1)
    observed[hit_voxels(pixel_voxels, tsdf.numel())] = True
    return observed.reshape(tsdf.shape)


def pool_tsdf(tsdf: Tensor, factor: int) -> Tensor:
    """Mean over blocks of ``factor`` ** 3 voxels, added voxel by voxel, the last axis fastest.

    The order is that of the authors' tool: 99.8 % of a real volume are equal bit by bit.

    Args:
        tsdf: (..., X, Y, Z) floating point, sides multiples of ``factor``.
        factor: Edge of a block in voxels.

    Returns:
        (..., X / factor, Y / factor, Z / factor), same type and device.

    Raises:
        DataError: A side is not a multiple of ``factor``.
    """
    sides = tuple(tsdf.shape[-3:])
    if tsdf.ndim < 3 or factor < 1 or any(side % factor for side in sides):
        raise DataError('TSDF', 'shape', f'sides that are multiples of {factor}', sides)
    blocks = tsdf
    for axis in (-1, -3, -5):
        blocks = blocks.unflatten(axis, (blocks.shape[axis] // factor, factor))
    total = torch.zeros_like(blocks[..., :, 0, :, 0, :, 0])
    for i, j, k in product(range(factor), repeat=3):
        total += blocks[..., :, i, :, j, :, k]
    return total / torch.tensor(float(factor**3), dtype=tsdf.dtype, device=tsdf.device)


def flip_tsdf(tsdf: Tensor, unseen: Tensor | None = None) -> Tensor:
    """The flipped TSDF of SSCNet: large near surfaces, small far from them.

    ``sign(t) * max(0.001, 1 - |t|)``, with the sign + if ``|t| < 0.001``.

    Args:
        tsdf: Any shape, in [-1, 1].
        unseen: bool of the same shape, voxels that count as far in front of a surface (t = 1), as
            in SSCNet. With None they keep t = 0, so the result is 1 (as in SATNet's and DDRNet's
            files). See :func:`observed_voxels`.

    Returns:
        Same shape, type and device.
    """
    if unseen is not None:
        tsdf = tsdf.masked_fill(unseen, 1.0)
    magnitude = tsdf.abs()
    flipped = (1 - magnitude).clamp_(min=_FLIPPED_MINIMUM)
    return torch.where((tsdf < 0) & (magnitude >= _FLIPPED_MINIMUM), -flipped, flipped)


def label_weight(label: Tensor, tsdf: Tensor, ignore: int = 255) -> Tensor:
    """The voxels that the RGB-D methods train on: every labelled object and all hidden space.

    This is the rule of TorchSSC's ``arr_1``. It includes hidden voxels without a label; losses and
    metrics leave them out with ``label != ignore``.

    Args:
        label: (..., X, Y, Z) class ids, 0 = empty.
        tsdf: (..., X, Y, Z) TSDF on the same grid, see :func:`pool_tsdf`.
        ignore: Id of voxels without a label.

    Returns:
        bool, (..., X, Y, Z).

    Raises:
        DataError: The shapes differ.
    """
    if label.shape != tsdf.shape:
        raise DataError('label weight', 'shape', tuple(label.shape), tuple(tsdf.shape))
    return ((label > 0) & (label != ignore)) | (tsdf < -0.5)
