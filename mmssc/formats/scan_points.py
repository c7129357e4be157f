"""What every file of a scan gives: points in metres, and perhaps their reflectance."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any, NamedTuple

import numpy as np

from mmssc.errors import DataError

from .regular_files import MAX_BYTES

__all__ = [
    'PointField', 'Scan', 'check_point_count', 'make_scan', 'scale_intensity', 'scan_of_columns',
    'scan_of_records', 'scan_of_text',
]  # fmt: skip

#: Largest number of points of a file: about a hundred scans of a LiDAR with 64 beams.
MAX_POINTS = 20_000_000
# A LiDAR sees some hundred metres. Larger coordinates are those of a map.
_FARTHEST = 10_000.0
# Names of the brightness of a return, the preferred one first.
_INTENSITIES = ('intensity', 'reflectance', 'reflectivity', 'scalar_intensity', 'i')
# What the largest intensity of a sensor can be.
_RANGES = (1.0, 255.0, 65535.0)
_LINES_AT_ONCE = _LONGEST_LINE = 2**20  # bytes
# As float64. Texts of real scans with as many have more than MAX_BYTES.
_MOST_NUMBERS = MAX_BYTES // 8
_MAP_HINT = 'Subtract the position of the sensor, and give metres (divide millimetres by 1000)'


class Scan(NamedTuple):
    """A scan as a user has it, in the frame of its file.

    Args:
        points: (M, 3) float32 metres, M > 0; points without a return are left out.
        reflectance: (M,) float32, 0..1; None if there is none.
        kept: (N,) bool, which points of the file these are: for labels of all its points.
    """

    points: np.ndarray
    reflectance: np.ndarray | None
    kept: np.ndarray


@dataclass(frozen=True)
class PointField:
    """One field of the points of a file.

    Args:
        name: In lower case.
        dtype: Type of a number, in the byte order of the file.
        count: How many numbers a point has in this field.
    """

    name: str
    dtype: np.dtype
    count: int = 1


def check_point_count(count: int, path: str | PathLike[str], field: str) -> int:
    """Refuse a number of points that no scan has.

    Raises:
        DataError: It is not 1 to 20 million.
    """
    if not 0 < count <= MAX_POINTS:
        raise DataError(path, field, f'1 to {MAX_POINTS} points', count)
    return count


def scale_intensity(
    intensity: Any, source: str | PathLike[str], largest: float | None = None
) -> np.ndarray:
    """Bring the intensity of returns to 0..1.

    Args:
        intensity: (M,) numbers, 0 = dark; NaN becomes 0.
        source: The file or another name, for errors.
        largest: Largest number that the sensor can give; None takes the first of 1, 255 and 65535
            that is not exceeded.

    Returns:
        (M,) float32.

    Raises:
        DataError: A number is negative, infinite or larger than ``largest``; or ``largest`` is no
            positive number.
    """
    if largest is not None and not 0 < largest < np.inf:
        raise DataError(source, 'largest intensity', 'a positive number', largest)
    values = np.nan_to_num(np.asarray(intensity, np.float64), nan=0.0, posinf=np.inf)
    top = float(values.max(initial=0.0))
    if largest is None:
        largest = next((one for one in _RANGES if top <= one), None)
    low = float(values.min(initial=0.0))
    if low < 0 or largest is None or top > largest:
        expected = f'0 to {f"{largest:g}" if largest else "1, 255 or 65535"}'
        hint = 'Leave out the intensity, or scale it to 0..1'
        raise DataError(source, 'intensity', expected, f'{low:g} to {top:g}', hint)
    return (values / largest).astype(np.float32)


def make_scan(
    points: np.ndarray,
    intensity: np.ndarray | None,
    source: str | PathLike[str],
    largest: float | None = None,
) -> Scan:
    """Make a scan of what a file or an array holds.

    Points that are not finite, and those at (0, 0, 0), are rays without a return: left out.

    Args:
        points: (M, 3) numbers, metres.
        intensity: (M,) numbers, or None.
        source: The file or another name, for errors.
        largest: See :func:`scale_intensity`.

    Raises:
        DataError: No point is left, a coordinate is that of a map, or the intensity is wrong.
    """
    kept = np.isfinite(points).all(1) & (points != 0).any(1)
    if not kept.any():
        found = 'only points at (0, 0, 0), NaN or infinity' if len(points) else 'no point'
        raise DataError(source, 'points', 'at least one return', found)
    points = points[kept]
    # Not np.abs(): the lowest whole number has no positive counterpart.
    farthest = max(float(points.max()), -float(points.min()))
    if farthest > _FARTHEST:
        expected = f'coordinates in the frame of the sensor, at most {_FARTHEST:g} m'
        raise DataError(source, 'points', expected, f'{farthest:.6g}', _MAP_HINT)
    reflectance = None
    if intensity is not None:
        reflectance = scale_intensity(intensity[kept], source, largest)
    return Scan(np.ascontiguousarray(points, np.float32), reflectance, kept)


def scan_of_columns(
    columns: Sequence[np.ndarray],
    fields: Sequence[PointField],
    path: str | PathLike[str],
    largest: float | None = None,
) -> Scan:
    """Pick coordinates and intensity among the columns of a file.

    Args:
        columns: (M,) or (M, count) numbers of each field.
        fields: What the columns are.
        path: The file.
        largest: See :func:`scale_intensity`.

    Raises:
        DataError: A coordinate is missing, or see :func:`make_scan`.
    """
    single = {field.name: column for field, column in zip(fields, columns) if field.count == 1}
    missing = [name for name in 'xyz' if name not in single]
    if missing:
        names = ', '.join(field.name for field in fields)
        raise DataError(path, 'fields', 'x, y and z', names or 'none')
    points = np.stack([_float64(single[name]) for name in 'xyz'], 1)
    name = next((name for name in _INTENSITIES if name in single), None)
    intensity = None if name is None else _float64(single[name])
    return make_scan(points, intensity, path, largest)


def _float64(column: np.ndarray) -> np.ndarray:
    # A NaN of another kind than usual is still one.
    with np.errstate(invalid='ignore'):
        return column.astype(np.float64).reshape(-1)


def scan_of_records(
    content: bytes,
    fields: Sequence[PointField],
    count: int,
    path: str | PathLike[str],
    largest: float | None = None,
) -> Scan:
    """Read points that follow each other as records of binary numbers.

    Args:
        content: At least ``count`` records.
        fields: The fields of a record, without gaps.
        count: Number of points.
        path: The file.
        largest: See :func:`scale_intensity`.

    Raises:
        DataError: There are too few bytes, or see :func:`scan_of_columns`.
    """
    sizes = [field.dtype.itemsize * field.count for field in fields]
    names = [f'f{number}' for number in range(len(fields))]
    formats = [(field.dtype, (field.count,)) for field in fields]
    offsets = np.cumsum([0, *sizes])[:-1].tolist()
    record = np.dtype(dict(names=names, formats=formats, offsets=offsets, itemsize=sum(sizes)))
    wanted = count * record.itemsize
    if len(content) < wanted:
        raise DataError(path, 'size', f'{wanted} bytes of points', f'{len(content)} bytes')
    records = np.frombuffer(content, record, count)
    return scan_of_columns([records[name] for name in names], fields, path, largest)


def scan_of_text(
    content: bytes,
    fields: Sequence[PointField],
    count: int,
    path: str | PathLike[str],
    largest: float | None = None,
) -> Scan:
    """Read points that follow each other as numbers of a text.

    Args:
        content: The text; what follows the last point is not read.
        fields: The fields of a point.
        count: Number of points.
        path: The file.
        largest: See :func:`scale_intensity`.

    Raises:
        DataError: There are too few or too many numbers, a line is very long, a word is no number,
            or see :func:`scan_of_columns`.
    """
    width = sum(field.count for field in fields)
    wanted, blocks, found = count * width, [], 0
    if wanted > _MOST_NUMBERS:
        raise DataError(path, 'points', f'at most {_MOST_NUMBERS} numbers as text', wanted)
    file = io.BytesIO(content)
    while found < wanted and (lines := file.readlines(_LINES_AT_ONCE)):
        if len(lines[-1]) > _LONGEST_LINE:  # Its words would take much more memory than the file.
            found_text = 'one that is longer'
            raise DataError(path, 'points', 'a line of at most 1 MiB for each', found_text)
        words = b''.join(lines).split()[: wanted - found]
        try:
            blocks.append(np.array([float(word) for word in words]))
        except ValueError as error:
            raise DataError(path, 'points', 'numbers', error) from error
        found += len(words)
    if found < wanted:
        raise DataError(path, 'points', f'{wanted} numbers ({count} points)', found)
    table = np.concatenate(blocks).reshape(count, width)
    ends = np.cumsum([field.count for field in fields])[:-1]
    return scan_of_columns(np.split(table, ends, axis=1), fields, path, largest)
