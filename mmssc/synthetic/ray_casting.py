"""Ray casting of simple solids, in NumPy: a z-buffer over images of rays.

A sensor is an image of rays. A solid is intersected only with the rays in the window that its
bounding box covers in that image. So the cost depends on the covered pixels, not on all pixels
times all solids.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from .solids import BOX, CORNERS, ELLIPSOID, Solids

__all__ = [
    'RayImage', 'PinholeRays', 'PanoramaRays', 'ParallelRays', 'cast_rays', 'intersect_ground',
]  # fmt: skip

_NEAR = 0.1
_EDGES = np.array([(a, b) for a in range(8) for b in range(a + 1, 8)
                   if np.abs(CORNERS[a] - CORNERS[b]).sum() == 2])  # fmt: skip


class RayImage:
    """An image of rays ``origin + t * direction`` in the world frame.

    Args:
        origin: (3,) float64, or (H, W, 3) if every ray has its own.
        direction: (H, W, 3) float64.
        world2sensor: (4, 4) float64.
    """

    def __init__(self, origin: np.ndarray, direction: np.ndarray, world2sensor: np.ndarray) -> None:
        self.origin, self.direction, self.world2sensor = origin, direction, world2sensor

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.direction.shape[:2]

    def points(self, t: np.ndarray) -> np.ndarray:
        """(H, W, 3) world points at ray parameter ``t`` (H, W)."""
        return self.origin + t[..., None] * self.direction

    def windows(self, solids: Solids) -> tuple[np.ndarray, np.ndarray]:
        """Windows in which the solids may be visible.

        Returns:
            ``windows`` (M, 5) int64, rows (solid, first row, end row, first column, end column),
            and ``nearest`` (M,), a ray parameter at or before the first possible hit.
        """
        raise NotImplementedError

    def _to_sensor(self, points: np.ndarray) -> np.ndarray:
        return points @ self.world2sensor[:3, :3].T + self.world2sensor[:3, 3]


def _whole_window(low: np.ndarray, high: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """First and end pixel of a continuous window, with a margin of one pixel on both sides."""
    first = np.clip(np.floor(low) - 1, 0, size).astype(np.int64)
    return first, np.clip(np.ceil(high) + 2, 0, size).astype(np.int64)


class PinholeRays(RayImage):
    """A camera; the ray parameter is the depth along the optical axis.

    Args:
        cam2img: (3, 3) intrinsics; pixel centres are at whole numbers.
        cam2world: (4, 4), camera x right, y down, z forward.
        image_size: (height, width).
    """

    def __init__(
        self, cam2img: np.ndarray, cam2world: np.ndarray, image_size: tuple[int, int]
    ) -> None:
        height, width = image_size
        v, u = np.meshgrid(np.arange(height), np.arange(width), indexing='ij')
        local = np.stack((
            (u - cam2img[0, 2]) / cam2img[0, 0], (v - cam2img[1, 2]) / cam2img[1, 1],
            np.ones((height, width)),
        ), -1)  # fmt: skip
        super().__init__(cam2world[:3, 3], local @ cam2world[:3, :3].T, np.linalg.inv(cam2world))
        self.cam2img = np.asarray(cam2img, np.float64)

    def windows(self, solids: Solids) -> tuple[np.ndarray, np.ndarray]:
        """See the base class."""
        corners = self._to_sensor(solids.corners())
        start, end = corners[:, _EDGES[:, 0]], corners[:, _EDGES[:, 1]]
        rise = end[..., 2] - start[..., 2]
        share = (_NEAR - start[..., 2]) / np.where(rise == 0, 1, rise)
        crossing = start + share[..., None] * (end - start)
        crosses = (rise != 0) & (share > 0) & (share < 1)
        points = np.concatenate((corners, crossing), 1)
        valid = np.concatenate((corners[..., 2] >= _NEAR, crosses), 1)
        depth = np.where(valid, points[..., 2], 1.0)
        bounds: list[np.ndarray] = []
        for axis, size in ((1, self.size[0]), (0, self.size[1])):
            pixel = self.cam2img[axis, axis] * points[..., axis] / depth + self.cam2img[axis, 2]
            bounds += _whole_window(np.where(valid, pixel, np.inf).min(1),
                                 np.where(valid, pixel, -np.inf).max(1), size)  # fmt: skip
        windows = np.stack((np.arange(len(solids)), *bounds), 1)
        return windows, np.maximum(corners[..., 2].min(1), 0)


class PanoramaRays(RayImage):
    """A rotating lidar: one row per elevation, one column per azimuth over 360 degrees.

    The ray parameter is the range. Column c looks along the azimuth ``2 pi (c + 0.5) / W - pi``
    (counter-clockwise from the x axis of the sensor).

    Args:
        elevations: (H,) radians, in descending order (the first row looks up).
        columns: Number of columns.
        sensor2world: (4, 4), sensor x forward, y left, z up.
    """

    def __init__(self, elevations: np.ndarray, columns: int, sensor2world: np.ndarray) -> None:
        self.elevations, self.columns = np.asarray(elevations), columns
        self.origin, self.world2sensor = sensor2world[:3, 3], np.linalg.inv(sensor2world)

    @cached_property
    def direction(self) -> np.ndarray:  # type: ignore[override]
        """(H, W, 3), computed on first use."""
        azimuth = (np.arange(self.columns) + 0.5) * (2 * np.pi / self.columns) - np.pi
        across, up = np.cos(self.elevations)[:, None], np.sin(self.elevations)[:, None]
        local = np.stack(
            np.broadcast_arrays(across * np.cos(azimuth), across * np.sin(azimuth), up), -1
        )
        return local @ self.world2sensor[:3, :3]

    def __getstate__(self) -> dict:
        # Do not send the directions between processes: they can be computed again.
        return {key: value for key, value in vars(self).items() if key != 'direction'}

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self.elevations), self.columns

    def cells(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Continuous row and column, and range, of (..., 3) world points."""
        x, y, z = np.moveaxis(self._to_sensor(points), -1, 0)
        across = np.hypot(x, y)
        row = self._row(np.arctan2(z, across))
        column = (np.arctan2(y, x) + np.pi) * (self.size[1] / (2 * np.pi)) - 0.5
        return row, column, np.hypot(across, z)

    def _row(self, elevation: np.ndarray) -> np.ndarray:
        rows = np.arange(len(self.elevations), dtype=np.float64)
        # Extrapolate rows beyond the first and the last, so that a window can end outside.
        inside = np.interp(-elevation, -self.elevations, rows)
        below = elevation < self.elevations[-1] - 1e-9
        above = elevation > self.elevations[0] + 1e-9
        return inside + 2.0 * below - 2.0 * above

    def windows(self, solids: Solids) -> tuple[np.ndarray, np.ndarray]:
        """See the base class."""
        corners, middle = self._to_sensor(solids.corners()), self._to_sensor(solids.center)
        radius = np.linalg.norm(corners - middle[:, None], axis=-1).max(1)
        across = np.hypot(corners[..., 0], corners[..., 1])
        closest = np.maximum(np.hypot(middle[:, 0], middle[:, 1]) - radius, 0.05)
        rows: list[np.ndarray] = []
        for z in (corners[..., 2].max(1), corners[..., 2].min(1)):
            # At height z, the elevation is largest at the nearest range, smallest at the farthest.
            steep = (z > 0) == (len(rows) == 0)
            rows.append(self._row(np.arctan2(z, np.where(steep, closest, across.max(1)))))
        first_row, end_row = _whole_window(rows[0], rows[1], self.size[0])
        azimuth = np.arctan2(middle[:, 1], middle[:, 0])
        away = np.arctan2(corners[..., 1], corners[..., 0]) - azimuth[:, None]
        away = (away + np.pi) % (2 * np.pi) - np.pi
        columns, total = self.size[1] / (2 * np.pi), self.size[1]
        around = away.max(1) - away.min(1) >= np.pi
        low = np.where(around, 0, np.floor((azimuth + away.min(1) + np.pi) * columns) - 1)
        high = np.where(around, total, np.ceil((azimuth + away.max(1) + np.pi) * columns) + 1)
        nearest = np.maximum(np.linalg.norm(middle, axis=1) - radius, 0)
        parts = []
        for shift in (-total, 0, total):
            first = np.clip(low + shift, 0, total).astype(np.int64)
            end = np.clip(high + shift, 0, total).astype(np.int64)
            parts.append(np.stack((np.arange(len(solids)), first_row, end_row, first, end), 1))
        return np.concatenate(parts), np.tile(nearest, 3)


class ParallelRays(RayImage):
    """Rays from a raster of ground points (z = 0) towards the sun; the parameter is in metres.

    Args:
        low: (x, y) of the raster's first corner, metres.
        shape: Points along x and y.
        step: Distance of neighbouring points, metres.
        towards: (3,) unit vector to the sun.
    """

    def __init__(
        self, low: np.ndarray, shape: tuple[int, int], step: float, towards: np.ndarray
    ) -> None:
        x = low[0] + step * (np.arange(shape[0]) + 0.5)
        y = low[1] + step * (np.arange(shape[1]) + 0.5)
        origin = np.stack((*np.meshgrid(x, y, indexing='ij'), np.zeros(shape)), -1)
        super().__init__(origin, np.broadcast_to(towards, (*shape, 3)), np.eye(4))
        self.low, self.step = np.asarray(low, np.float64), step

    def cells(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Row and column, whole numbers inside the raster, of (..., 3) ground points."""
        cell = np.floor((points[..., :2] - self.low) / self.step).astype(np.int64)
        cell = np.clip(cell, 0, np.array(self.size) - 1)
        return cell[..., 0], cell[..., 1]

    def windows(self, solids: Solids) -> tuple[np.ndarray, np.ndarray]:
        """See the base class."""
        corners, towards = solids.corners(), self.direction[0, 0]
        shadow = corners[..., :2] - corners[..., 2:] * (towards[:2] / towards[2])
        cell = (shadow - self.low) / self.step
        bounds: list[np.ndarray] = []
        for axis in (0, 1):
            bounds += _whole_window(cell[..., axis].min(1), cell[..., axis].max(1), self.size[axis])
        return np.stack((np.arange(len(solids)), *bounds), 1), np.zeros(len(solids))


def _enter_box(origin: list, direction: list) -> np.ndarray:
    first, last = -np.inf, np.inf
    for start, step in zip(origin, direction):
        one, other = (-1 - start) / step, (1 - start) / step
        # fmin and fmax ignore the NaN of a ray that runs inside a face.
        first = np.fmax(first, np.fmin(one, other))
        last = np.fmin(last, np.fmax(one, other))
    return np.where(first <= last, first, np.inf)


def _enter_round(origin: list, direction: list) -> tuple[np.ndarray, np.ndarray]:
    """Entry and exit of the unit circle or sphere, by the point of closest approach.

    (The textbook formula loses all digits for a thin pole far away.)
    """
    square = direction[0] * direction[0]
    along = direction[0] * origin[0]
    for start, step in zip(origin[1:], direction[1:]):
        square += step * step
        along += step * start
    closest = -along / square
    beside = np.float32(1)
    for start, step in zip(origin, direction):
        gap = start + closest * step
        beside = beside - gap * gap
    half = np.sqrt(beside / square)
    return closest - half, closest + half


def _enter(kind: int, origin: list, direction: list) -> np.ndarray:
    """First ray parameter at a unit solid; infinite or NaN if the ray misses it."""
    if kind == BOX:
        return _enter_box(origin, direction)
    if kind == ELLIPSOID:
        return _enter_round(origin, direction)[0]
    first, last = _enter_round(origin[:2], direction[:2])
    one, other = (-1 - origin[2]) / direction[2], (1 - origin[2]) / direction[2]
    first = np.fmax(first, np.fmin(one, other)) + 0 * last
    return np.where(first <= np.fmin(last, np.fmax(one, other)), first, np.inf)


def cast_rays(rays: RayImage, solids: Solids, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """First solid on every ray.

    Args:
        rays: The sensor.
        solids: The scene. Rays that start inside a solid do not hit it.
        reach: Solids farther than this from the sensor are left out (metres; in x and y).

    Returns:
        ``t`` (H, W) float32, ray parameter, infinite if the ray hits nothing, and ``index`` (H, W)
        int32, the solid, -1 = none.
    """
    t = np.full(rays.size, np.inf, np.float32)
    index = np.full(rays.size, -1, np.int32)
    chosen = np.arange(len(solids))
    if rays.origin.ndim == 1:
        chosen = solids.near(rays.origin, reach)
    windows, nearest = rays.windows(solids.take(chosen))
    seen = (windows[:, 2] > windows[:, 1]) & (windows[:, 4] > windows[:, 3])
    windows, nearest = windows[seen], nearest[seen]
    order = np.argsort(nearest, kind='stable')
    windows, nearest = windows[order], nearest[order]
    numbers = chosen[windows[:, 0]]
    frames = _UnitFrames(rays, solids.take(numbers))
    with np.errstate(divide='ignore', invalid='ignore', over='ignore'):
        for at, (number, kind, window, near) in enumerate(
            zip(numbers.tolist(), solids.kind[numbers].tolist(), windows.tolist(), nearest.tolist())
        ):
            area = (slice(window[1], window[2]), slice(window[3], window[4]))
            best = t[area]
            if best.max() <= near:
                continue
            entry = _enter(kind, *frames.rays(at, area))
            closer = (entry > 0) & (entry < best)
            np.copyto(best, entry, where=closer)
            index[area][closer] = number
    return t, index


class _UnitFrames:
    """Rays in the frame of each solid, scaled so that it has half size 1, float32."""

    def __init__(self, rays: RayImage, solids: Solids) -> None:
        cosine, sine, half = np.cos(solids.yaw), np.sin(solids.yaw), solids.half_size
        self.rows = np.stack(
            (cosine / half[:, 0], sine / half[:, 0], -sine / half[:, 1], cosine / half[:, 1],
             1 / half[:, 2]), 1,
        )  # fmt: skip
        self.center = solids.center
        self.direction = np.ascontiguousarray(np.moveaxis(rays.direction, -1, 0), np.float32)
        self.start = None if rays.origin.ndim == 1 else np.moveaxis(rays.origin, -1, 0)
        if self.start is None:
            x, y, z = (rays.origin - solids.center).T
            unit = self._turn(self.rows.T, x, y, z)
            self.unit_start = np.stack(unit, 1).astype(np.float32)
        self.rows32 = self.rows.astype(np.float32)

    @staticmethod
    def _turn(row: np.ndarray, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> list[np.ndarray]:
        return [row[0] * x + row[1] * y, row[2] * x + row[3] * y, row[4] * z]

    def rays(self, at: int, area: tuple[slice, slice]) -> tuple[list, list]:
        """Origin and direction, three components each, of the rays of a window."""
        x, y, z = self.direction
        direction = self._turn(self.rows32[at], x[area], y[area], z[area])
        if self.start is None:
            return list(self.unit_start[at]), direction
        x, y, z = (part[area] - middle for part, middle in zip(self.start, self.center[at]))
        return [part.astype(np.float32) for part in self._turn(self.rows[at], x, y, z)], direction


def intersect_ground(rays: RayImage, reach: float) -> np.ndarray:
    """Ray parameter (H, W) float32 at the plane z = 0, infinite above the horizon or past reach.

    ``reach`` is in units of the ray parameter.
    """
    with np.errstate(divide='ignore'):
        t = -rays.origin[..., 2] / rays.direction[..., 2]
    return np.where((t > 0) & (t < reach), t, np.inf).astype(np.float32)
