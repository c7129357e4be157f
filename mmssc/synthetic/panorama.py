"""Visibility from one position: the distance of the nearest solid in every direction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .ray_casting import PanoramaRays, cast_rays
from .solids import Solids

__all__ = ['SIGHT', 'Panorama', 'take_panorama']

# Largest range of visibility, metres.
SIGHT = 80.0


@dataclass(frozen=True)
class Panorama:
    """Distance of the nearest solid in every direction from one position.

    The ground is left out, because flat ground hides nothing above it.
    """

    rays: PanoramaRays
    distance: np.ndarray

    def sees(self, points: np.ndarray, slack: float) -> np.ndarray:
        """Which of (N, 3) world points are visible, with a tolerance of ``slack`` metres.

        A point is visible if one of the four directions around it is open. Otherwise, the finite
        resolution would hide surfaces seen at a grazing angle.
        """
        row, column, distance = self.rays.cells(points)
        first_row, first_column = np.floor(row).astype(np.int64), np.floor(column).astype(np.int64)
        rows, columns = self.rays.size
        open_to = np.zeros(len(points), self.distance.dtype)
        for row_shift in (0, 1):
            at_row = np.clip(first_row + row_shift, 0, rows - 1)
            for column_shift in (0, 1):
                at_column = (first_column + column_shift) % columns
                np.maximum(open_to, self.distance[at_row, at_column], out=open_to)
        return (distance <= open_to + slack) & (distance < SIGHT)


def take_panorama(solids: Solids, lidar2world: np.ndarray, voxel_size: float) -> Panorama:
    """Make the panorama of one position; the angular step depends on the voxel size."""
    step = np.clip(voxel_size / 60.0, np.deg2rad(0.25), np.deg2rad(1.2))
    elevations = np.arange(np.deg2rad(62), np.deg2rad(-42), -step)
    columns = int(np.ceil(2 * np.pi / step))
    rays = PanoramaRays(elevations, columns, lidar2world)
    return Panorama(rays, cast_rays(rays, solids, SIGHT)[0])
