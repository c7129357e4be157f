"""Judge the depth of a drive or a room by the ground that it shows.

``units`` are other readings of the depth, see :mod:`mmssc.formats.depth_units`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from typing import NamedTuple, Union

import numpy as np

from mmssc.errors import DataError, join_sentences
from mmssc.geometry.ground_plane import GroundPlane, find_ground_plane
from mmssc.structures import VoxelGrid

from .file_warnings import warn_of_file

__all__ = [
    'USUAL_ROOM', 'DepthView', 'best_units', 'check_ground', 'check_road_scale', 'fits_room',
    'is_flat_ground',
]  # fmt: skip

FilePath = Union[str, PathLike]
#: Median depth of an image of a room, metres.
USUAL_ROOM = (0.8, 5.0)
# Ground is at most this share of the height of the grid below the grid.
_SLACK = 0.15
# Mean deviation of the ground's height below the camera, as a share of it.
_FLAT = 0.35
_ROWS, _COLUMNS = 32, 64
_FEWEST_PIXELS = 50
# Where KITTI's lidar is above the road, metres, and how far the bottom of its grid is below the
# road, as a share of the height of the camera above the bottom.
_LIDAR_HEIGHT, _BELOW_ROAD = 1.73, 0.14
# A camera that is so far above the origin, metres, is not in the frame of a lidar, which is not so
# far below a camera. The origin is on the road, as in the ego frame of nuScenes. A box that begins
# 1.5 to 2.5 m below it, as that of KITTI (2 m), is that of a lidar: the frame is wrong.
_ABOVE_LIDAR, _BOX_OF_LIDARS = 1.0, (-2.5, -1.5)
# Height of KITTI's camera above the road, metres: typical of cars.
_CAR_CAMERA = 1.65
# The road is clear if it has this share of the points below the horizon (real streets: 0.6 and
# more), and unclear if it has the second share (walls and cars alone reach 0.31).
_CLEAR, _UNCLEAR = 0.45, 0.33
# Scales that are impossible and unusual. Right maps of real streets have 0.91 to 1.06.
_IMPOSSIBLE, _UNUSUAL = 1.6, 1.4
# A unit fits if the scale that remains is below this.
_FITS = 1.3


class RoadDistances(NamedTuple):
    """How far the road can be below the camera, metres; 0: unknown.

    The grid says one distance. The other is that of the lidar frame of KITTI, or of a frame whose
    origin is on the road (the ego frame of nuScenes).

    Args:
        smallest: The smaller one.
        largest_of_cars: The larger one for a car: the bottom of a deep grid does not count.
        largest: The larger one, for a truck, too.
    """

    smallest: float
    largest_of_cars: float
    largest: float


@dataclass(frozen=True)
class DepthView:
    """Where a camera looks, to judge the depth of the ground in front of it.

    Args:
        cam2img: (3, 3) or (3, 4) intrinsics, pixels.
        cam2ref: (4, 4), camera to the frame of ``grid``, metres.
        grid: The voxels. The ground is near the bottom of the grid.
    """

    cam2img: np.ndarray
    cam2ref: np.ndarray
    grid: VoxelGrid

    @property
    def floor(self) -> float:
        """Height of the bottom of the grid, metres."""
        return float(self.grid.origin[self.grid.axes.index('z')])

    @property
    def lowest(self) -> float:
        """Height below which no ground can be, metres."""
        top = float(self.grid.upper[self.grid.axes.index('z')])
        return self.floor - _SLACK * (top - self.floor)

    @property
    def ground_below(self) -> RoadDistances:
        """Distances of the road below the camera that the calibration and the grid allow."""
        camera = float(self.cam2ref[2, 3])
        by_grid = (1 - _BELOW_ROAD) * (camera - self.floor)
        low, high = _BOX_OF_LIDARS
        is_above_lidar = camera >= _ABOVE_LIDAR
        if is_above_lidar and self.floor < camera / 2 and not low < self.floor < high:
            by_frame = of_car = camera
        else:
            by_frame = camera + _LIDAR_HEIGHT
            # The lidar of a truck is higher than that of KITTI.
            of_car = max(by_grid if is_above_lidar else by_frame, _CAR_CAMERA)
        likely = [distance for distance in (by_grid, by_frame) if distance > 0] or [0.0]
        return RoadDistances(min(likely), min(of_car, max(likely)), max(likely))

    def heights(self, depth: np.ndarray) -> tuple[np.ndarray, float]:
        """Points of the lower third of the image, where the ground is.

        Args:
            depth: (H, W) metres, 0 = none.

        Returns:
            Heights (M,) of the points above the camera, metres, and the height of the camera.
        """
        height, width = depth.shape
        rows = np.arange(height - height // 3, height, max(1, height // 3 // _ROWS))
        columns = np.arange(0, width, max(1, width // _COLUMNS))
        z = depth[np.ix_(rows, columns)].astype(np.float64)
        (fx, _, cx), (_, fy, cy) = np.asarray(self.cam2img, np.float64)[:2, :3]
        right, down, ahead = self.cam2ref[2, :3]
        rise = right * (columns - cx) / fx + (down * (rows - cy) / fy)[:, None] + ahead
        measured = np.isfinite(z) & (z > 0)
        return (rise * z)[measured], float(self.cam2ref[2, 3])


def fits_room(depth: np.ndarray) -> bool:
    """Whether the median of the depth (H, W), metres, 0 = none, is that of a room."""
    measured = depth[np.isfinite(depth) & (depth > 0)]
    return bool(measured.size) and USUAL_ROOM[0] <= float(np.median(measured)) <= USUAL_ROOM[1]


def is_flat_ground(heights: np.ndarray) -> bool:
    """Whether heights relative to the camera are those of flat ground, in any unit."""
    if len(heights) < _FEWEST_PIXELS:
        return False
    middle = float(np.median(heights))
    return bool(np.abs(heights - middle).mean() < _FLAT * abs(middle))


def best_units(depth: np.ndarray, view: DepthView, units: Mapping[str, float]) -> str | None:
    """The readings, at most two, that put flat ground nearest to the floor of the grid."""
    heights, camera = view.heights(depth)
    if not is_flat_ground(heights):
        return None  # no ground, or no surface at all
    middle = float(np.median(heights))
    too_far = middle + camera < view.lowest
    distances = {
        name: abs(middle * factor + camera - view.floor)
        for name, factor in units.items()
        if (factor < 1) == too_far and middle * factor + camera > view.lowest
    }
    # A factor far too small would put the ground to the height of the camera.
    reach = (0.5 if too_far else 0.2) * abs(camera - view.floor)
    fitting = sorted((one, name) for name, one in distances.items() if one < reach)[:2]
    return ' or '.join(name for _, name in fitting) or None


def check_ground(
    path: FilePath,
    depth: np.ndarray,
    view: DepthView,
    units: Mapping[str, float],
    remedy: str = '',
) -> None:
    """Check the height of the ground: far below the grid, or far above its bottom, is suspicious.

    Args:
        path: The file, for messages.
        depth: (H, W) metres, 0 = none.
        view: The camera.
        units: Other readings, see the module.
        remedy: A further sentence for the message.

    Raises:
        DataError: Nearly all of it is far below the grid, and another unit puts it to the bottom.
    """
    heights, camera = view.heights(depth)
    if len(heights) < _FEWEST_PIXELS:
        return
    below = float((heights + camera < view.lowest).mean())
    # Ground is above the bottom of the grid where the depth is too small. So is a table, and any
    # floor under a camera whose pose is wrong: a depth that fits a room is not too small.
    above = float(np.median(heights)) + camera - view.floor > 0.5 * abs(camera - view.floor)
    if below < 0.5 and not (above and not fits_room(depth) and best_units(depth, view, units)):
        return
    expected = f'ground near the bottom of the grid, at {view.floor:.1f} m'
    found = f'{np.median(heights) + camera:.1f} m (wrong unit, pose, intrinsics or grid?)'
    best = best_units(depth, view, units)
    if best is not None and below > 0.8:
        hint = join_sentences(f'It fits with {best}', remedy)
        raise DataError(path, 'depth', expected, found, hint)
    fit = f'It fits with {best}' if best else ''
    text = join_sentences(f'depth: expected {expected}, found {found}', fit, remedy)
    warn_of_file(path, 'ground', text, stacklevel=3)


def check_road_scale(
    path: FilePath,
    depth: np.ndarray,
    view: DepthView,
    units: Mapping[str, float],
    remedy: str = '',
) -> bool:
    """Compare the distance of the road below the camera with that of the calibration.

    On the real streets at hand the error of the scale is at most 9 %. A slope of 6 % adds up to
    20 %.

    Args:
        path: The file, for messages.
        depth: (H, W) metres, 0 = none.
        view: The camera.
        units: Other readings, see the module.
        remedy: A further sentence for the message.

    Returns:
        Whether a clear road was found.

    Raises:
        DataError: The road is clear, and its depth is 1.6 times too small or too large or more, for
            the camera of a truck, too.
    """
    plane = find_ground_plane(depth, view.cam2img, view.cam2ref)
    road = view.ground_below
    if plane is None or plane.share < _UNCLEAR or not road.largest:
        return False
    is_clear = plane.share >= _CLEAR
    scale = _scale(plane, road.smallest, road.largest_of_cars)
    if max(scale, 1 / scale) > (_UNUSUAL if is_clear else _IMPOSSIBLE):
        expected, found, hint = _scale_message(plane, scale, units, remedy)
        of_truck = _scale(plane, road.smallest, road.largest)
        if is_clear and max(of_truck, 1 / of_truck) > _IMPOSSIBLE:
            raise DataError(path, 'depth', expected, found, hint)
        if of_truck < scale:
            hint = join_sentences('Or is the camera higher than that of a car?', hint)
        text = join_sentences(f'depth: expected {expected}, found {found}', hint)
        warn_of_file(path, 'scale', text, stacklevel=3)
    return is_clear


def _scale(plane: GroundPlane, smallest: float, largest: float) -> float:
    """How many times too large the depth is, if the road is in this range below the camera."""
    return max(plane.distance / largest, 1.0) * min(plane.distance / smallest, 1.0)


def _scale_message(
    plane: GroundPlane, scale: float, units: Mapping[str, float], remedy: str
) -> tuple[str, str, str]:
    """Expected, found and hint for a depth map that is ``scale`` times too large."""
    left = {name: abs(np.log(scale * factor)) for name, factor in units.items()}
    names = sorted((name for name in left if left[name] < np.log(_FITS)), key=left.__getitem__)[:2]
    expected = f'ground about {plane.distance / scale:.1f} m below the camera'
    size = max(scale, 1 / scale)
    times = f'{size:.1f}' if size < 10 else f'{size:.0f}'
    wrong = f'{times} times too {"large" if scale > 1 else "small"}'
    found = f'{plane.distance:.2f} m: depth about {wrong} (wrong unit, pose or intrinsics?)'
    fit = f'It fits with {" or ".join(names)}' if names else 'No usual unit fits'
    return expected, found, join_sentences(fit, remedy)
