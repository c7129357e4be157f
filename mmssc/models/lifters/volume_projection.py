"""Projection between the voxels of a working volume and one camera image."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mmssc.errors import DataError
from mmssc.geometry.projection import voxel_to_pixel
from mmssc.geometry.working_volume import depth_to_coordinates, merge_heights
from mmssc.structures import VoxelGrid

__all__ = ['VolumeProjection', 'project_volume']

_ASSIGNMENTS = ('truncate', 'floor')


@dataclass(frozen=True)
class VolumeProjection:
    """Projection of one sample.

    Row ``(x * Y + y) * Z + z`` of the N voxels is voxel (x, y, z) of the working volume.

    Args:
        pixels: (N, 2) float32, voxel centres (u, v) divided by (width, height); not clamped.
        visible: (N,) bool, voxels in the field of view.
        voxels: (H * W, 3) int64, voxel (x, y, z) of each pixel's depth point; it may lie outside
            the volume.
        measured: (H * W,) bool, pixels with a depth.
        image_size: (height, width) in pixels.
        shape: (X, Y, Z) of the working volume.
    """

    pixels: Tensor
    visible: Tensor
    voxels: Tensor
    measured: Tensor
    image_size: tuple[int, int]
    shape: tuple[int, int, int]

    def proposals(self) -> Tensor:
        """Rows (P,) int64, ascending, of the voxels with at least one depth point."""
        upper = self.voxels.new_tensor(self.shape)
        inside = ((self.voxels >= 0) & (self.voxels < upper)).all(-1) & self.measured
        x, y, z = self.voxels[inside].unbind(-1)
        hit = torch.zeros(len(self.visible), dtype=torch.bool, device=self.voxels.device)
        hit[(x * self.shape[1] + y) * self.shape[2] + z] = True
        return hit.nonzero()[:, 0]

    def points_to_volume(self, points: Tensor) -> Tensor:
        """Volume coordinates of the depth points at some image points.

        Args:
            points: (..., 2) as (x, y), 0..1 in the image.

        Returns:
            (..., 3) float32 as (x, y, z), 0..1 in the volume (i / (n - 1)), without gradient.
            A pixel without depth gives the position of the camera.
        """
        height, width = self.image_size
        pixel = (points.detach() * points.new_tensor([width, height])).to(torch.int64)
        u, v = pixel[..., 0].clamp(0, width - 1), pixel[..., 1].clamp(0, height - 1)
        last = points.new_tensor([max(side - 1, 1) for side in self.shape])
        return (self.voxels[v * width + u] / last).clamp(0, 1)


def project_volume(
    depth: Tensor,
    grid: VoxelGrid,
    cam2img: Tensor,
    ref2cam: Tensor,
    height_factor: int = 1,
    assignment: str = 'truncate',
) -> VolumeProjection:
    """Project a volume into the image and the depth map into the volume.

    Args:
        depth: (H, W) metres along the optical axis; 0, negative or not finite = no depth.
        grid: Grid to project, with axes x, y, z.
        cam2img: (3, 3) intrinsics.
        ref2cam: (4, 4) float64, from the frame of the grid to the camera.
        height_factor: Voxels of ``grid`` per working voxel along z.
        assignment: ``'truncate'``, used to train Symphonies: voxel k gets the points between its
            centre and the next centre, voxel 0 also those up to half a voxel below the volume.
            ``'floor'``: every voxel gets the points inside it.

    Raises:
        DataError: Unknown assignment.
    """
    if assignment not in _ASSIGNMENTS:
        raise DataError('config', 'assignment', f'one of {_ASSIGNMENTS}', repr(assignment))
    image_size = (int(depth.shape[0]), int(depth.shape[1]))
    pixels, visible = voxel_to_pixel(grid, ref2cam, cam2img, image_size, rule='monoscene')
    pixels, visible = merge_heights(pixels, visible, grid.shape, height_factor)
    measured = (depth > 0) & torch.isfinite(depth)
    truncate = assignment == 'truncate'
    coordinates = depth_to_coordinates(
        depth.masked_fill(~measured, 0.0),
        grid,
        cam2img,
        ref2cam,
        height_factor,
        half_voxel=0.5 if truncate else 0.0,
    )
    voxels = coordinates.trunc() if truncate else coordinates.floor()
    size = torch.tensor(image_size[::-1], dtype=torch.float32, device=depth.device)
    return VolumeProjection(
        pixels=(pixels.float() + 0.5) / size,
        visible=visible,
        voxels=voxels.to(torch.int64),
        measured=measured.flatten(),
        image_size=image_size,
        shape=(grid.shape[0], grid.shape[1], grid.shape[2] // height_factor),
    )
