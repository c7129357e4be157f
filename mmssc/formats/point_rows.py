"""Checks of what a file of points does not say itself: byte order, columns, unit."""

from __future__ import annotations

from os import PathLike

import numpy as np

from mmssc.errors import DataError

__all__ = ['FOURTH_COLUMN', 'check_byte_order', 'check_columns', 'check_metres']

#: What to do with rows x, y, z.
FOURTH_COLUMN = 'Add zeros: np.c_[points, np.zeros(len(points))].astype("<f4").tofile(FILE)'
# Half of the points of a scan are nearer, metres: a LiDAR sees some hundred metres.
_FARTHEST_MEDIAN = 500.0


def check_byte_order(path: str | PathLike[str], points: np.ndarray) -> None:
    """Refuse numbers of a point file whose bytes are swapped.

    Args:
        path: The file.
        points: Its float32 numbers, read as little-endian ones.

    Raises:
        DataError: They make sense only in the other byte order.
    """
    if not _are_metres(points) and _are_metres(points.byteswap()):
        hint = f'Write it again: np.fromfile({str(path)!r}, ">f4").astype("<f4").tofile(...)'
        raise DataError(path, 'points', 'little-endian float32', 'big-endian (swapped bytes)', hint)


def _are_metres(points: np.ndarray) -> bool:
    """Whether some numbers of a point file can be metres and reflectances."""
    sample = np.abs(points[:: max(1, len(points) // 1000)])
    with np.errstate(invalid='ignore'):
        possible = (sample == 0) | ((sample > 1e-5) & (sample < 1e5))
    return float(possible.mean()) > 0.9


def check_columns(path: str | PathLike[str], rows: np.ndarray) -> None:
    """Refuse rows of three numbers, x, y, z, that were read as rows of four.

    Args:
        path: The file.
        rows: (N, 4), its numbers.

    Raises:
        DataError: The file has whole rows of three, and the fourth column holds coordinates.
    """
    # -1 may stand for a missing intensity.
    if rows.size % 3 == 0 and (rows[:, 3] < -1).any():
        expected = 'rows of 4 float32 numbers: x, y, z, intensity'
        found = f'{np.nanmin(rows[:, 3]):g} in the fourth column (rows of x, y, z?)'
        raise DataError(path, 'columns', expected, found, FOURTH_COLUMN)


def check_metres(path: str | PathLike[str], points: np.ndarray) -> None:
    """Refuse points that are too far away for a scan.

    Args:
        path: The file.
        points: (N, 3 or more) finite numbers; the first three columns are x, y, z.

    Raises:
        DataError: Half of the points are more than 500 m away.
    """
    distance = float(np.median(np.abs(points[:, :3]).max(1)))
    if distance > _FARTHEST_MEDIAN:
        found = f'half of them farther than {distance:.0f} (millimetres, or places on a map?)'
        hint = 'Give x, y, z in the frame of the sensor; divide millimetres by 1000'
        raise DataError(path, 'points', 'metres', found, hint)
