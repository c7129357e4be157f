"""Attention of a voxel to six places along the axes (VoxDet, arXiv 2506.04623)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmssc.models.layers.ddr import ConvBlock3D

__all__ = ['DirectionalRefinement', 'sampling_grids']


def sampling_grids(
    distances: Tensor, grid_order: str = 'xyz', extent: Sequence[int] | None = None
) -> Tensor:
    """Where the context of every voxel lies: one place in each axis direction.

    The place is the index of the voxel, moved along one axis by ``distance * (n - 1)`` and kept
    inside the volume.

    Args:
        distances: (B, 6, X, Y, Z), shares of the axis, directions x+, x-, y+, y-, z+, z-.
        grid_order: ``'xyz'`` stacks the coordinates as the released models do; ``grid_sample`` then
            takes x for z and z for x. ``'zyx'`` is the order that it expects.
        extent: The n of each axis, for a window of a larger volume; None: the sides of
            ``distances``.

    Returns:
        (B, 6, X, Y, Z, 3) from -1 to 1 between the centres of the first and the last voxel.
    """
    shape = distances.shape[2:]
    coordinates = []
    for axis, (count, whole) in enumerate(zip(shape, extent or shape)):
        last = count - 1
        index = torch.arange(count, device=distances.device, dtype=distances.dtype)
        index = index.view([-1 if other == axis else 1 for other in range(3)])
        moved = [index.expand(distances.shape[:1] + shape)] * 6
        for direction, sign in ((2 * axis, 1), (2 * axis + 1, -1)):
            moved[direction] = (index + sign * distances[:, direction] * (whole - 1)).clamp(0, last)
        # An axis with a single voxel has no extent.
        coordinates.append(2 * torch.stack(moved, 1) / max(last, 1) - 1)
    return torch.stack(coordinates if grid_order == 'xyz' else coordinates[::-1], -1)


class DirectionalRefinement(nn.Module):
    """Attention of every voxel to the six places of :func:`sampling_grids`, at half the resolution.

    Args:
        channels: Channels C.
        norm_cfg: Normalisation.
        align_corners: How the places are read. The released models read with False: up to half a
            voxel off at the borders, where the outer half voxel fades to 0.
    """

    def __init__(
        self, channels: int, norm_cfg: dict[str, Any], align_corners: bool = False
    ) -> None:
        super().__init__()
        self.align_corners = align_corners
        self.query, self.key, self.value, self.out = (
            ConvBlock3D(
                channels, channels, norm_cfg, kernel_size=1, activate=False, channels_last=False
            )
            for _ in range(4)
        )

    def forward(self, x: Tensor, grids: Tensor) -> Tensor:
        """Refine a volume.

        Args:
            x: (B, C, X, Y, Z).
            grids: (B, 6, X', Y', Z', 3), the sides of the volume halved.

        Returns:
            (B, C, X, Y, Z).
        """
        batch, directions = grids.shape[:2]
        half = F.interpolate(x, scale_factor=0.5, mode='trilinear', align_corners=False)
        query = self.query(half).unsqueeze(1)
        places = grids.flatten(1, 2)
        found = F.grid_sample(half, places, align_corners=self.align_corners)
        found = found.unflatten(2, (directions, -1)).transpose(1, 2).flatten(0, 1)
        key = self.key(found).unflatten(0, (batch, directions))
        value = self.value(found).unflatten(0, (batch, directions))
        scores = (query * key).sum(2, keepdim=True) / x.shape[1] ** 0.5
        mixed = (scores.softmax(1) * value).sum(1)
        mixed = F.interpolate(mixed, x.shape[2:], mode='trilinear', align_corners=False)
        return self.out(mixed + x)
