"""Boxes, upright cylinders and ellipsoids, turned about the vertical axis: parts of a scene."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Union

import numpy as np

__all__ = [
    'BOX', 'CYLINDER', 'ELLIPSOID', 'CORNERS', 'PLAIN', 'Point', 'SolidList', 'Solids',
    'surface_normals', 'turn',
]  # fmt: skip

BOX, CYLINDER, ELLIPSOID = 0, 1, 2
# Surface pattern of a solid with one colour; scenes add their own patterns.
PLAIN = 0
# (3,) x, y, z in metres, or a colour: red, green, blue in 0..1. A position may be (2,) x, y.
Point = Union[Sequence[float], np.ndarray]
# Corners of a box of half size 1.
CORNERS = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float64)


@dataclass(frozen=True)
class Solids:
    """N solids in the world frame (z up, metres).

    Args:
        kind: (N,) ``BOX``, ``CYLINDER`` (axis along z) or ``ELLIPSOID``.
        center: (N, 3) float64.
        half_size: (N, 3) float64, half of the extent along the solid's own axes.
        yaw: (N,) float64, radians about z.
        label: (N,) uint16 class id.
        color: (N, 3) float64, red, green, blue in 0..1.
        style: (N,) surface pattern; the appearance module of the scene draws it.
    """

    kind: np.ndarray
    center: np.ndarray
    half_size: np.ndarray
    yaw: np.ndarray
    label: np.ndarray
    color: np.ndarray
    style: np.ndarray

    def __len__(self) -> int:
        return len(self.kind)

    def take(self, index: np.ndarray) -> Solids:
        """The solids at ``index``, an integer or bool array."""
        return Solids(**{field.name: getattr(self, field.name)[index] for field in fields(self)})

    def near(self, point: np.ndarray, distance: float) -> np.ndarray:
        """Indices of the solids that may overlap a circle (in x and y) around a point."""
        gap = np.linalg.norm(self.center[:, :2] - np.asarray(point)[:2], axis=1)
        return np.flatnonzero(gap - np.linalg.norm(self.half_size[:, :2], axis=1) < distance)

    def to_world(self, local: np.ndarray) -> np.ndarray:
        """Convert (N, ..., 3) metres along the axes of solid n to world points."""
        shape = (len(self),) + (1,) * (local.ndim - 2)
        center = self.center.reshape(*shape, 3)
        return turn(local, self.yaw.reshape(shape)) + center

    def to_local(self, world: np.ndarray) -> np.ndarray:
        """Convert (N, 3) world points, one per solid, to metres along the axes of that solid."""
        return turn(world - self.center, -self.yaw)

    def corners(self) -> np.ndarray:
        """(N, 8, 3) corners of the bounding boxes."""
        return self.to_world(CORNERS * self.half_size[:, None])


def turn(vectors: np.ndarray, yaw: np.ndarray) -> np.ndarray:
    """Turn (..., 3) vectors about z by ``yaw`` (...,) radians."""
    cosine, sine = np.cos(yaw), np.sin(yaw)
    x, y, z = vectors[..., 0], vectors[..., 1], vectors[..., 2]
    return np.stack((cosine * x - sine * y, sine * x + cosine * y, z), -1)


def surface_normals(solids: Solids, points: np.ndarray) -> np.ndarray:
    """Outward unit normals (N, 3) at world points (N, 3), point n on the surface of solid n."""
    unit = solids.to_local(points) / solids.half_size
    axis = np.abs(unit).argmax(1)
    face = np.zeros_like(unit)
    rows = np.arange(len(unit))
    face[rows, axis] = np.sign(unit[rows, axis])
    flat = unit * (1.0, 1.0, 0.0)
    on_cap = np.abs(unit[:, 2]) > np.hypot(unit[:, 0], unit[:, 1])
    cylinder = np.where(on_cap[:, None], unit * (0.0, 0.0, 1.0), flat / solids.half_size)
    local = np.where((solids.kind == BOX)[:, None], face, unit / solids.half_size)
    local = np.where((solids.kind == CYLINDER)[:, None], cylinder, local)
    local /= np.maximum(np.linalg.norm(local, axis=1, keepdims=True), 1e-12)
    return turn(local, solids.yaw)


class SolidList:
    """Collects solids; every ``add`` is relative to the pose of the last ``place``.

    Args:
        ids: Label of every class name of the scene.
    """

    def __init__(self, ids: Mapping[str, int]) -> None:
        self._ids = ids
        self._rows: list[tuple[int, np.ndarray, np.ndarray, float, int, np.ndarray, int]] = []
        self._things: list[int] = []
        self._position, self._yaw, self._label, self._thing = np.zeros(3), 0.0, 0, -1

    def place(self, position: Point, yaw: float, name: str) -> None:
        """Start an object of class ``name`` at (x, y) or (x, y, z), turned by ``yaw`` radians."""
        self._position = np.array((*position, 0.0)[:3], np.float64)
        self._yaw = float(yaw)
        self.relabel(name)

    def relabel(self, name: str) -> None:
        """Start another object of class ``name`` at the same pose."""
        self._label = self._ids[name]
        self._thing += 1

    def add(self, kind: int, center: Point, size: Point, color: Point, style: int = PLAIN) -> None:
        """Add a solid with its ``center`` and full ``size`` in metres."""
        middle = turn(np.array(center, np.float64), np.array(self._yaw)) + self._position
        self._rows.append(
            (kind, middle, np.array(size, np.float64) / 2, self._yaw, self._label,
             np.clip(color, 0.02, 0.98), style)
        )  # fmt: skip
        self._things.append(self._thing)

    @property
    def things(self) -> np.ndarray:
        """(N,) int64, the number of the object that each solid belongs to."""
        return np.array(self._things, np.int64)

    def build(self) -> Solids:
        """All solids as arrays."""
        kind, center, half, yaw, label, color, style = zip(*self._rows)
        return Solids(
            np.array(kind, np.uint8), np.array(center), np.array(half), np.array(yaw),
            np.array(label, np.uint16), np.array(color, np.float64), np.array(style, np.uint8),
        )  # fmt: skip
