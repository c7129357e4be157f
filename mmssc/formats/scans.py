"""Read the scan of a LiDAR from a file of any common format."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import numpy as np

from mmssc.errors import DataError
from mmssc.file_kinds import HEAD_BYTES, describe_size

from .las import read_las
from .numpy_arrays import read_npy
from .pcd import read_pcd
from .ply import read_ply
from .point_rows import check_byte_order, check_columns, check_metres
from .regular_files import open_data_file, read_bytes
from .scan_points import Scan, check_point_count, make_scan

__all__ = ['SCAN_SUFFIXES', 'read_scan_file']

_MOST_COLUMNS = 5
_RINGS = 255


def read_scan_file(path: str | PathLike[str], largest: float | None = None) -> Scan:
    """Read a scan; the name of the file says its format.

    ========== ====================================================================================
    ``.bin``   float32 rows x, y, z, intensity (KITTI), or x, y, z, intensity, ring (nuScenes)
    ``.npy``   (N, 3) x, y, z; (N, 4) and intensity; (N, 5) and ring
    ``.pcd``   ASCII, binary, compressed; fields x, y, z and perhaps intensity
    ``.ply``   ASCII, binary; the same
    ``.las``   all versions; ``.laz`` needs the package lazrs (``pip install 'mmssc[lidar]'``)
    ========== ====================================================================================

    Points that are not finite, and those at (0, 0, 0), are rays without a return and left out.

    Args:
        path: The file.
        largest: Largest intensity that the sensor gives, which becomes 1; None takes the first of
            1, 255 and 65535 that is not exceeded.

    Raises:
        DataError: The file is missing, damaged, of another format, or holds no scan; or its points
            cannot be metres.
        MissingDependencyError: The file is a ``.laz`` file, and lazrs is not installed.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _READERS:
        with open_data_file(path):  # A folder, or nothing, is another mistake.
            pass
        expected = f'a scan: {", ".join(_READERS)}'
        raise DataError(path, 'file name', expected, suffix or 'no suffix')
    scan = _READERS[suffix](path, largest)
    check_metres(path, scan.points)
    return scan


def _read_bin(path: str | PathLike[str], largest: float | None) -> Scan:
    """Float32 rows of four numbers, or of five if the fifth is the number of a beam."""
    content = read_bytes(path)
    if len(content) % 4:
        found, hint = describe_size(content[:HEAD_BYTES], len(content))
        raise DataError(path, 'size', 'float32 numbers (4 bytes each)', found, hint)
    numbers = np.frombuffer(content, '<f4')
    check_byte_order(path, numbers)
    if len(numbers) % 5 == 0 and _are_rings(numbers[4::5]) and not _are_rings(numbers[:1000]):
        return _scan_of_rows(numbers.reshape(-1, 5), path, largest)
    if len(numbers) % 4:
        expected = 'rows of 4 float32 numbers: x, y, z, intensity (or 5, the last one the beam)'
        found, hint = describe_size(content[:HEAD_BYTES], len(content))
        hint = hint or (
            'Save other rows as .npy: np.save(FILE, points), points of shape (N, 3) or (N, 4)'
        )
        raise DataError(path, 'size', expected, found, hint)
    rows = numbers.reshape(-1, 4)
    check_columns(path, rows)
    return _scan_of_rows(rows, path, largest)


def _are_rings(numbers: np.ndarray) -> bool:
    with np.errstate(invalid='ignore'):
        return bool(((numbers >= 0) & (numbers <= _RINGS) & (numbers == np.floor(numbers))).all())


def _read_array(path: str | PathLike[str], largest: float | None) -> Scan:
    array = read_npy(path)
    if array.ndim != 2 or not 3 <= array.shape[1] <= _MOST_COLUMNS:
        hint = 'Keep the columns x, y, z and intensity'
        raise DataError(path, 'shape', '(N, 3), (N, 4) or (N, 5)', array.shape, hint)
    return _scan_of_rows(array, path, largest)


def _scan_of_rows(rows: np.ndarray, path: str | PathLike[str], largest: float | None) -> Scan:
    check_point_count(len(rows), path, 'points')
    return make_scan(rows[:, :3], rows[:, 3] if rows.shape[1] > 3 else None, path, largest)


_READERS = {
    '.bin': _read_bin, '.npy': _read_array, '.pcd': read_pcd, '.ply': read_ply, '.las': read_las,
    '.laz': read_las,
}  # fmt: skip
#: Endings of the files that :func:`read_scan_file` reads.
SCAN_SUFFIXES = tuple(_READERS)
