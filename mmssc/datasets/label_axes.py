"""Find label volumes whose axes have another order, or that are shifted, by what a sensor saw."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations
from os import PathLike

import numpy as np

from mmssc.errors import DataError

__all__ = ['check_against_scan', 'check_axes']

# Another order of the axes must hold this share of the scan, and this many times more of it than
# the order as stored. The right order holds 90 % and more of real lidar scans and 60 % of a real
# depth image; no other order held 1.1 times more than the right one.
_FITS = 0.5
_CLEARLY_BETTER = 1.5
# A volume that holds this share of its lidar scan is in its place: real ones hold 90 % and more. In
# two real scans, a shift of two voxels takes a third of the share along x and y, and more along z.
# Rooms are not checked: in the 1449 frames of NYU another place held up to 3.6 times more of the
# surface than the right one (1 % of them: 1.3 times), and the right place only 1.1 to 1.5 times
# more (median) than a shift by two voxels of 8 cm.
_IN_PLACE = 0.8
# Measured where the moved volume is in the grid: a street that was moved down by four voxels has
# left it, but all of the 36 % to 52 % of the scan above still fit. In 14 real scans no other place
# held 0.9 times as much as the right one, also if half of the labels or the street are missing.
_MOVED_FITS, _MOVED_BETTER = 0.7, 1.25
_LEFT = 0.1  # smallest share of the scan that says something
_SHIFTS = (*range(-10, -1), *range(2, 11))  # voxels


def check_axes(
    path: str | PathLike[str],
    occupied: np.ndarray,
    scan: np.ndarray,
    expected: str = 'occupied voxels where the scan (.bin) has points',
    axes: Sequence[str] = ('x', 'y', 'z'),
) -> None:
    """Refuse a volume whose axes have another order than those of the scan.

    Args:
        path: The labels, for the error.
        occupied: (X, Y, Z) bool, voxels with a class.
        scan: (X, Y, Z) bool, voxels that the sensor hits.
        expected: What the right order would show, for the error.
        axes: Names of the three axes of the array.

    Raises:
        DataError: More of the scan is occupied if axes are swapped or reversed.
    """
    stored, total = int(np.count_nonzero(occupied & scan)), int(np.count_nonzero(scan))
    enough = max(_CLEARLY_BETTER * stored, _FITS * total)
    if enough >= total:
        return  # no order can be clearly better
    fits = {
        name: int(np.count_nonzero(changed & scan))
        for name, changed in _other_orders(occupied, axes)
    }
    best = max(fits, key=lambda name: fits[name])
    if fits[best] > enough:
        found = f'{stored / total:.0%}; with {best} {fits[best] / total:.0%}'
        raise DataError(path, 'axes', expected, found, 'Are the axes in another order?')


def check_against_scan(path: str | PathLike[str], occupied: np.ndarray, scan: np.ndarray) -> None:
    """Refuse a volume with other axes than its lidar scan, or shifted by two to ten voxels.

    Args:
        path: The labels, for the error.
        occupied: (X, Y, Z) bool, voxels with a class.
        scan: (X, Y, Z) bool, voxels that the lidar hits.

    Raises:
        DataError: As :func:`check_axes`, or clearly more of the scan is occupied if the volume is
            moved along an axis.
    """
    check_axes(path, occupied, scan)
    stored, total = int(np.count_nonzero(occupied & scan)), int(np.count_nonzero(scan))
    if stored >= _IN_PLACE * total:
        return
    places = {
        (axis, shift): _hits_of_shifted(occupied, scan, axis, shift)
        for axis in range(3)
        for shift in _SHIFTS
    }
    # A volume that left the grid at one side, as a street below it, shows in what is left of it.
    large = {place: hits for place, hits in places.items() if hits[2] >= _LEFT * total > 0}
    if not large:
        return
    (axis, shift), (hits, as_stored, left) = max(
        large.items(), key=lambda one: one[1][0] / one[1][2]
    )
    if hits > max(_MOVED_FITS * left, _MOVED_BETTER * as_stored):
        expected = 'occupied voxels where the scan (.bin) has points'
        moved = f'moved by {shift:+d} voxels along {"xyz"[axis]}'
        found = f'{stored / total:.0%}; {moved} {hits / left:.0%}'
        hint = 'Is the volume cropped, padded, or of a grid with another origin?'
        raise DataError(path, 'place', expected, found, hint)


def _hits_of_shifted(
    occupied: np.ndarray, scan: np.ndarray, axis: int, shift: int
) -> tuple[int, int, int]:
    """Occupied voxels of the scan, in the part of the grid that labels moved up an axis cover.

    Returns:
        Hits of the labels moved by ``shift``, hits of the labels as stored, voxels of the scan.
    """
    source, target = [slice(None)] * 3, [slice(None)] * 3
    source[axis] = slice(max(-shift, 0), -shift if shift > 0 else None)
    target[axis] = slice(max(shift, 0), shift if shift < 0 else None)
    there = scan[tuple(target)]
    moved = int(np.count_nonzero(occupied[tuple(source)] & there))
    as_stored = int(np.count_nonzero(occupied[tuple(target)] & there))
    return moved, as_stored, int(np.count_nonzero(there))


def _other_orders(volume: np.ndarray, axes: Sequence[str]) -> Iterator[tuple[str, np.ndarray]]:
    """Every other reading of a volume, with its name."""
    for axis, name in enumerate(axes):
        yield f'{name} reversed', np.flip(volume, axis)
    for order in permutations(range(3)):
        stored = np.ascontiguousarray(volume).reshape([volume.shape[axis] for axis in order])
        name = 'axes stored as ' + ', '.join(axes[axis] for axis in order)
        if order == (1, 0, 2):
            name = f'{axes[0]} and {axes[1]} swapped'
        if order != (0, 1, 2):
            yield name, stored.transpose(np.argsort(order))
