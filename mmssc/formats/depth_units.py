"""Find depth with a wrong unit, by the sizes of rooms and roads; messages name the right unit.

A depth map has no unit of its own. A reading that cannot be right raises a
:class:`~mmssc.errors.DataError`; one that is only unlikely is a warning.

``units`` of the functions below are the other readings that the user can ask for: words of the
command -> factor on the depth as it was read, e.g. ``{'--depth-scale 5000': 0.2}``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Union

import numpy as np

from mmssc.errors import DataError, join_sentences

from .file_warnings import one_finding_of_depth, warn_of_file
from .ground_checks import (
    USUAL_ROOM,
    DepthView,
    best_units,
    check_ground,
    check_road_scale,
    fits_room,
    is_flat_ground,
)
from .numpy_arrays import read_npy

__all__ = [
    'ROOM_LIMITS', 'DepthView', 'check_ground', 'check_measured', 'check_road_depth',
    'check_room_depth', 'fits_room', 'metre_units', 'read_metres', 'rotated_units', 'scale_units',
    'unit_hint',
]  # fmt: skip

FilePath = Union[str, PathLike]
#: Depth that the TSDF of a room uses, metres.
ROOM_LIMITS = (0.5, 8.0)
# A map with a smaller share of its depth within the limits is of no use for a model of rooms.
_FEWEST_IN_ROOM = 0.25
# Median of the lower third over that of the middle. Of 27 real images of rooms, 26 have less than 1
# and one has 1.05.
_GROWTH = 1.05
_INVERSE = 'It looks like inverse depth or disparity: near is large'
_OR_INVERSE = 'If that is wrong too, it looks like inverse depth or disparity: near is large'
_INVERSE_REMEDY = 'Save metres: 1 / inverse depth, or focal length * baseline / disparity'
# Largest median depth of an image of a road: no camera and no lidar measures farther.
_FARTHEST_ROAD = 300.0
# Values per metre of common depth images: KITTI; then most cameras, L515, TUM, SUNCG, D405.
_PNG_SCALE = 256
_SCALES = (_PNG_SCALE, 1000, 4000, 5000, 8000, 10000)
_ROAD_REMEDY = 'Save metres as float32 .npy, or metres times 256 as 16-bit .png'
_DISPARITY_FORMAT = (
    'Disparities are pixels of this image as .npy, or pixels times 256 as 16-bit .png'
)
_DISPARITY_REMEDY = 'Convert disparity: depth = focal length * baseline / disparity'


def check_measured(path: FilePath, depth: np.ndarray) -> np.ndarray:
    """The depths of the pixels that have one.

    Args:
        path: The file, for the error.
        depth: (H, W) metres; 0, negative, infinite or NaN = none.

    Raises:
        DataError: The array is not (H, W), or no pixel has a depth.
    """
    if depth.ndim != 2:
        raise DataError(path, 'depth', 'one value per pixel (H, W)', f'shape {depth.shape}')
    measured = depth[np.isfinite(depth) & (depth > 0)]
    if not measured.size:
        raise DataError(
            path, 'depth', 'at least one pixel with depth',
            'none: every pixel is 0, not finite, or marked as missing',
        )  # fmt: skip
    return measured


def read_metres(path: FilePath, scale: float | None = None) -> np.ndarray:
    """Read an ``.npy`` depth map in metres.

    Args:
        path: The file.
        scale: Values per metre; None: the file must hold metres.

    Returns:
        (H, W) float32; numbers may be negative or not finite.

    Raises:
        DataError: The file is missing or damaged, does not hold floating-point numbers, or has
            another shape.
    """
    stored = read_npy(path)
    if stored.dtype.kind != 'f' and scale is None:
        found = f'whole numbers ({stored.dtype}): millimetres?'
        hint = 'Save metres: np.save(path, (depth / 1000).astype(np.float32)) for millimetres'
        raise DataError(path, 'depth', 'metres as floating-point numbers', found, hint)
    if stored.ndim != 2 or stored.size == 0:
        raise DataError(path, 'shape', '(H, W)', stored.shape)
    with np.errstate(over='ignore'):
        return stored.astype(np.float32) / np.float32(scale or 1)


# --- rooms ----------------------------------------------------------------------------------


def metre_units() -> dict[str, float]:
    """Other readings of an array that should hold metres."""
    return {f'values divided by {n}': 1 / n for n in (1000, 100)}


def scale_units(scale: float = 1000) -> dict[str, float]:
    """Other readings of an image that was read with ``scale`` values per metre."""
    return {f'--depth-scale {n}': scale / n for n in _SCALES if n != scale}


def rotated_units(depth: np.ndarray, name: str) -> dict[str, float]:
    """SSCNet's reading, if depth that was read as millimetres seems to have its rotated bits.

    Args:
        depth: (H, W) metres; whole millimetres.
        name: The reading in the words of the user, such as ``'--depth-kind nyu'``.
    """
    stored = np.rint(depth[depth > 0] * 1000).astype(np.int64)
    # The rotation puts the highest bits last; they are 0 below 8.192 m.
    return {name: 1 / 8} if stored.size and float((stored & 7 == 0).mean()) > 0.9 else {}


def unit_hint(depth: np.ndarray, units: Mapping[str, float], remedy: str = '') -> str:
    """The median depth, and the readings with which it is that of a room.

    Args:
        depth: (H, W) metres.
        units: See the module.
        remedy: A further sentence.
    """
    median = float(np.median(depth[np.isfinite(depth) & (depth > 0)]))
    low, high = USUAL_ROOM
    fitting = {name: median * factor for name, factor in units.items()}
    fitting = {name: one for name, one in fitting.items() if low <= one <= high}
    likely = sorted(fitting, key=lambda name: abs(math.log(fitting[name] / 2)))[:3]
    text = ', '.join(f'{fitting[name]:.1f} m with {name}' for name in likely)
    if low <= median <= high:
        text = f'The median depth is {_metres(median)}, as in a room'
        # An image that is upside down shows the same.
        doubt = 'Depth is larger low in the image: is it turned, or inverse depth?'
    elif text:
        text = f'The median would be {text}'
        doubt = f'{_OR_INVERSE}. {_INVERSE_REMEDY}'
    elif _grows_downwards(depth):
        return join_sentences(_INVERSE, _INVERSE_REMEDY)
    else:
        text, doubt = 'No usual unit fits: 8-bit or relative depth, or inverse depth (1/m)?', ''
    return join_sentences(text, doubt if _grows_downwards(depth) else '', remedy)


def _grows_downwards(depth: np.ndarray) -> bool:
    """Whether the values are larger low in the image, where a room is nearer."""
    third = len(depth) // 3
    middle, lower = (part[part > 0] for part in (depth[third : len(depth) - third], depth[-third:]))
    if third == 0 or not middle.size or not lower.size:
        return False
    return float(np.median(lower)) > _GROWTH * float(np.median(middle))


def check_room_depth(
    path: FilePath,
    depth: np.ndarray,
    units: Mapping[str, float],
    limits: tuple[float, float] = ROOM_LIMITS,
    remedy: str = '',
) -> None:
    """Check that a depth map can be that of a room.

    Args:
        path: The file, for messages.
        depth: (H, W) metres; 0, negative or not finite = none.
        units: Other readings, see the module.
        limits: Depth that the caller uses, metres.
        remedy: A further sentence for the message.

    Raises:
        DataError: No pixel has a depth, few are within the limits, or the largest depth is 1 as in
            normalised depth.
    """
    measured = check_measured(path, depth)
    hint = unit_hint(depth, units, remedy)
    low, high = limits
    median = float(np.median(measured))
    found = f'a median of {_metres(median)} (wrong unit?)'
    within = float(((measured > low) & (measured < high)).mean())
    expected = f'depth of a room, {low:g}..{high:g} m'
    if float(measured.max()) == 1 and float(measured.min()) < 1:
        found = 'values up to 1 (normalised or relative depth?)'
        remedy = f'{_INVERSE}. {_INVERSE_REMEDY}' if _grows_downwards(depth) else ''
        hint = join_sentences('Models need depth in metres', remedy)
        raise DataError(path, 'depth', 'metres', found, hint)
    if within < _FEWEST_IN_ROOM:
        raise DataError(path, 'depth', expected, found, hint)
    if not 1.6 * low < median < 0.75 * high:
        text = join_sentences(f'depth: expected {expected}, found {found}', hint)
        warn_of_file(path, 'unit', text, stacklevel=3)


def _metres(value: float) -> str:
    return f'{value:.3g} m' if value < 1000 else f'{value:.0f} m'


# --- roads ----------------------------------------------------------------------------------


@one_finding_of_depth()
def check_road_depth(
    path: FilePath,
    depth: np.ndarray,
    view: DepthView | None = None,
    disparity_hint: str = _DISPARITY_REMEDY,
    from_disparity: bool = False,
    remedy: str | None = None,
) -> None:
    """Check that a depth map can be that of a road in front of a car.

    Args:
        path: The file (``.png`` was read as 1/256 m), for messages.
        depth: (H, W) metres, 0 = none.
        view: The camera, where it is known.
        disparity_hint: What to do if near and far are exchanged.
        from_disparity: The depth was computed from disparities, those in the file or of a pair.
        remedy: What to do about another unit, for depth that was not read from ``path``. None: it
            was; how to write the file.

    Raises:
        DataError: No pixel has a depth, all are 0..1 as in normalised depth, the median is beyond
            300 m, or the road is too near or too far below the camera.
    """
    measured = check_measured(path, depth)
    is_png = remedy is None and Path(path).suffix.lower() == '.png'
    scale = _PNG_SCALE if is_png else 1
    units = {} if from_disparity else _road_units(scale)
    if remedy is None:
        remedy = _DISPARITY_FORMAT if from_disparity else _ROAD_REMEDY
    median, largest = float(np.median(measured)), float(measured.max())
    if is_png and float(measured.min()) == 65535 / scale:
        raise DataError(path, 'depth', 'at least one pixel with depth', 'none: all are 65535')
    if largest <= 1 and float(measured.min()) < 1:
        found = f'at most {_metres(largest)} (normalised, relative or 8-bit depth?)'
        raise DataError(path, 'depth', 'metres, up to tens of metres', found, remedy)
    if view is not None and (found := _exchanged(depth, view)):
        raise DataError(path, 'depth', 'the near road lowest in the image', found, disparity_hint)
    # A scale that the road shows is judged before the sizes of all scenes.
    has_road = view is not None and check_road_scale(path, depth, view, units, remedy)
    if median > _FARTHEST_ROAD:
        found = f'a median of {_metres(median)} (wrong unit?)'
        expected = f'at most {_FARTHEST_ROAD:g} m'
        best = None if view is None else best_units(depth, view, units)
        hint = join_sentences(best and f'It fits with {best}' or '', remedy)
        raise DataError(path, 'depth', expected, found, hint)
    if view is not None and not has_road:
        # Without a clear road, a surface that is too near says little.
        smaller = {name: factor for name, factor in units.items() if factor < 1}
        check_ground(path, depth, view, smaller, remedy)


def _road_units(scale: float) -> dict[str, float]:
    names = {'decimetres': 10, 'centimetres': 100, 'millimetres': 1000}
    names.update({f'1/{n} m': n for n in _SCALES if n not in (scale, 1000)})
    units = {f'values in {name}': scale / n for name, n in names.items()}
    if scale == 1:  # an image with one scale that was saved as an array with another
        pairs = [(n, other) for other in (_PNG_SCALE, 1000) for n in _SCALES if n != other]
        units.update({f'values in 1/{n} m, divided by {other}': other / n for n, other in pairs})
    return units


def _exchanged(depth: np.ndarray, view: DepthView) -> str:
    """What shows that near and far are exchanged; empty if nothing does."""
    thirds = (depth[len(depth) // 3 : -(len(depth) // 3) or None], depth[-(len(depth) // 3) :])
    middle, lower = (float(np.median(one[one > 0])) if (one > 0).any() else 0 for one in thirds)
    if not lower > 1.5 * middle > 0:
        return ''
    with np.errstate(divide='ignore'):
        heights = view.heights(np.where(depth > 0, 1 / depth, 0))[0]
    # Flat ground is flat again after the exchange, up to a factor.
    if not is_flat_ground(heights):
        return ''
    return f'median {_metres(lower)} there, {_metres(middle)} above it (disparity, not depth?)'
