"""Files of the KITTI family: SemanticKITTI and SSCBench-KITTI-360.

Readers are strict: a wrong file raises a :class:`~mmssc.errors.DataError` with the file, the
expected and the found content. Writers are atomic, and the readers return exactly what they wrote.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from os import PathLike
from pathlib import Path

import numpy as np
from PIL import Image

from mmssc.errors import DataError
from mmssc.file_kinds import HEAD_BYTES, describe_size
from mmssc.fileio import atomic_write
from mmssc.structures.camera_checks import as_intrinsics, as_pose

from .depth_units import read_metres
from .images import read_png_uint16
from .matrices import parse_numbers, to_homogeneous
from .numpy_arrays import read_npy, write_npy
from .point_rows import FOURTH_COLUMN, check_byte_order, check_columns, check_metres
from .regular_files import read_bytes, read_ends, read_text
from .volumes import check_whole_numbers, order_hint

__all__ = [
    'baseline_focal_of', 'check_byte_order', 'read_calib', 'read_depth', 'read_indexed_poses',
    'read_poses', 'read_raw_labels', 'read_scan', 'read_velodyne', 'read_voxel_bits',
    'read_voxel_labels', 'write_calib', 'write_depth', 'write_indexed_poses', 'write_poses',
    'write_raw_labels', 'write_velodyne', 'write_voxel_bits', 'write_voxel_labels',
]  # fmt: skip

Shape = Sequence[int]
# Metres per unit of a 16-bit depth image (the KITTI depth convention).
_DEPTH_PNG_SCALE = 256.0


def _format_row(numbers: np.ndarray) -> str:
    # repr() is the shortest text that reads back as the same float64.
    return ' '.join(repr(float(number)) for number in np.asarray(numbers).reshape(-1))


def read_calib(
    path: str | PathLike[str], required: Sequence[str] = ('P2', 'Tr')
) -> dict[str, np.ndarray]:
    """Read a ``calib.txt``: lines ``KEY: 12 numbers``; blank lines are skipped.

    Args:
        path: The file.
        required: Required keys.

    Returns:
        (3, 4) float64 per key. ``P*`` are projections of rectified cameras in pixels, ``Tr`` is
        the rigid transform from the lidar to camera 0, in metres.

    Raises:
        DataError: The file is missing or not text, a line does not have 12 finite numbers, a key is
            missing or repeated, a ``P*`` is not a pinhole camera, or ``Tr`` is not rigid.
    """
    calib: dict[str, np.ndarray] = {}
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if not line.strip():
            continue
        key, colon, values = line.partition(':')
        key, field = key.strip(), f'line {number}'
        if not colon or not key:
            raise DataError(path, field, "'KEY: 12 numbers'", repr(line[:40]))
        if key in calib:
            raise DataError(path, field, 'each key once', f'{key} again')
        calib[key] = np.array(parse_numbers(values.split(), 12, path, key)).reshape(3, 4)
        if key.startswith('P'):
            as_intrinsics(calib[key], path, key)
        elif key.startswith('Tr'):
            as_pose(calib[key], path, key)
    missing = [key for key in required if key not in calib]
    if missing:
        raise DataError(path, 'keys', ', '.join(required), ', '.join(calib) or 'none')
    return calib


def baseline_focal_of(calib: Mapping[str, np.ndarray], path: str | PathLike[str]) -> float | None:
    """Baseline times focal length of the colour cameras, metres times pixels; None without ``P3``.

    Args:
        calib: Content of a ``calib.txt``, see :func:`read_calib`.
        path: The file, for the error.

    Raises:
        DataError: The camera of ``P3`` is not to the right of that of ``P2``.
    """
    if 'P3' not in calib:
        return None
    # The fourth column of a rectified projection is -focal length * camera position.
    baseline_focal = float(calib['P2'][0, 3] - calib['P3'][0, 3])
    if baseline_focal <= 0:
        found = f'P2[0, 3] - P3[0, 3] = {baseline_focal}'
        raise DataError(path, 'P3', 'a camera to the right of P2', found)
    return baseline_focal


def write_calib(path: str | PathLike[str], calib: Mapping[str, np.ndarray]) -> None:
    """Write ``{key: (3, 4)}`` as a ``calib.txt``; :func:`read_calib` returns the same numbers."""
    with atomic_write(path, 'w') as file:
        for key, matrix in calib.items():
            file.write(f'{key}: {_format_row(np.asarray(matrix)[:3])}\n')


def _read_rows(path: str | PathLike[str], count: int) -> tuple[np.ndarray, list[int]]:
    """Numbers (N, count) of the lines that are not blank, and the number of each line."""
    lines = {n: line for n, line in enumerate(read_text(path).splitlines(), 1) if line.strip()}
    if not lines:
        raise DataError(path, 'lines', f'{count} numbers per line', 'no line')
    rows = [parse_numbers(line.split(), count, path, f'line {n}') for n, line in lines.items()]
    return np.array(rows), list(lines)


def read_poses(path: str | PathLike[str]) -> np.ndarray:
    """Read a ``poses.txt``: 12 numbers per line, line n is the camera pose of frame n.

    Blank lines at the start and the end are skipped. Between poses they are refused: it is not
    clear whether a blank line stands for a frame.

    Returns:
        (N, 4, 4) float64, camera frame of each frame to the world, metres.

    Raises:
        DataError: The file is missing, empty or not text, a line does not have 12 finite numbers,
            or a pose is not rigid.
    """
    rows, lines = _read_rows(path, 12)
    gaps = np.flatnonzero(np.diff(lines) > 1)
    if gaps.size:
        hint = 'Remove blank lines: line n is the pose of frame n'
        raise DataError(path, f'line {lines[gaps[0]] + 1}', '12 numbers', 'a blank line', hint)
    return as_pose(to_homogeneous(rows.reshape(-1, 3, 4)), path, 'poses')


def write_poses(path: str | PathLike[str], poses: np.ndarray) -> None:
    """Write (N, 3 or 4, 4) poses, 12 numbers per line."""
    with atomic_write(path, 'w') as file:
        file.writelines(_format_row(pose[:3]) + '\n' for pose in np.asarray(poses))


def read_indexed_poses(path: str | PathLike[str]) -> tuple[np.ndarray, np.ndarray]:
    """Read a KITTI-360 ``poses.txt``: frame index and 12 numbers per line; indices have gaps.

    Blank lines are skipped.

    Returns:
        Frame indices (N,) int64, strictly increasing, and vehicle (IMU) poses (N, 4, 4) float64
        to the world, metres.

    Raises:
        DataError: As :func:`read_poses`, or an index is not a whole number, is negative, or does
            not increase.
    """
    rows, lines = _read_rows(path, 13)
    column = rows[:, 0]
    valid = (column >= 0) & (column < 2**31) & (column == np.round(column))
    if not valid.all():
        bad = int(np.flatnonzero(~valid)[0])
        raise DataError(path, f'line {lines[bad]}', 'a frame index', column[bad])
    index = column.astype(np.int64)
    if (np.diff(index) <= 0).any():
        bad = int(np.flatnonzero(np.diff(index) <= 0)[0]) + 1
        hint = 'Each frame has one line, in the order of the frames'
        expected = f'an index above {index[bad - 1]}'
        raise DataError(path, f'line {lines[bad]}', expected, index[bad], hint)
    poses = to_homogeneous(rows[:, 1:].reshape(-1, 3, 4))
    return index, as_pose(poses, path, 'poses')


def write_indexed_poses(path: str | PathLike[str], index: np.ndarray, poses: np.ndarray) -> None:
    """Write frame indices (N,) and (N, 3 or 4, 4) poses, 13 numbers per line."""
    with atomic_write(path, 'w') as file:
        for number, pose in zip(np.asarray(index), np.asarray(poses)):
            file.write(f'{int(number)} {_format_row(pose[:3])}\n')


def _read_exact(
    path: str | PathLike[str], size: int, what: str, hints: Mapping[int, str] | None = None
) -> bytes:
    head, _, found_size = read_ends(path, HEAD_BYTES)
    if found_size != size:
        found, hint = describe_size(head, found_size)
        hint = (hints or {}).get(found_size, hint)
        raise DataError(path, 'size', f'{size} bytes ({what})', found, hint)
    return read_bytes(path)


def read_voxel_bits(path: str | PathLike[str], shape: Shape) -> np.ndarray:
    """Read a ``.bin``, ``.invalid`` or ``.occluded`` volume: one bit per voxel, high bit first.

    Returns:
        bool of ``shape`` (X, Y, Z), last axis fastest.

    Raises:
        DataError: The file is missing or does not have exactly one bit per voxel.
    """
    count = prod(shape)
    content = _read_exact(path, (count + 7) // 8, f'one bit per voxel of {tuple(shape)}')
    bits = np.unpackbits(np.frombuffer(content, np.uint8), count=count)
    return bits.astype(bool).reshape(shape)


def write_voxel_bits(path: str | PathLike[str], mask: np.ndarray) -> None:
    """Write a bool volume, one bit per voxel."""
    with atomic_write(path) as file:
        file.write(np.packbits(np.asarray(mask, bool).reshape(-1)).tobytes())


def read_raw_labels(path: str | PathLike[str], shape: Shape) -> np.ndarray:
    """Read a voxel ``.label`` file: raw ids, little-endian uint16.

    Returns:
        uint16 of ``shape`` (X, Y, Z), last axis fastest.

    Raises:
        DataError: The file is missing or does not have exactly two bytes per voxel.
    """
    count = prod(shape)
    hints = {
        count: 'One byte per voxel: are these train ids? Raw ids have two bytes',
        4 * count: 'Four bytes per voxel: store the ids as uint16',
    }
    content = _read_exact(path, 2 * count, f'uint16 per voxel of {tuple(shape)}', hints)
    return np.frombuffer(content, '<u2').astype(np.uint16).reshape(shape)


def write_raw_labels(path: str | PathLike[str], labels: np.ndarray) -> None:
    """Write raw ids 0..65535 as little-endian uint16."""
    labels = np.asarray(labels)
    if labels.dtype.kind not in 'iu' or labels.min() < 0 or labels.max() > 65535:
        raise DataError(path, 'labels', 'whole numbers 0..65535', labels.dtype)
    with atomic_write(path) as file:
        file.write(labels.astype('<u2').tobytes())


def read_velodyne(path: str | PathLike[str]) -> np.ndarray:
    """Read a point file: x, y, z in metres and a fourth column, little-endian float32.

    Returns:
        (N, 4) float32, N > 0.

    Raises:
        DataError: The file is missing, empty, not a multiple of 16 bytes, a number is not finite,
            the bytes of each number are swapped, the rows have three numbers, or the points cannot
            be metres.
    """
    content = read_bytes(path)
    if len(content) % 16:
        found, hint = describe_size(content[:HEAD_BYTES], len(content))
        hint = hint or (None if len(content) % 12 else f'Rows of x, y, z? {FOURTH_COLUMN}')
        raise DataError(path, 'size', 'a multiple of 16 bytes (4 float32 per point)', found, hint)
    points = np.frombuffer(content, '<f4').astype(np.float32).reshape(-1, 4)
    check_byte_order(path, points)
    check_columns(path, points)
    if not np.isfinite(points).all():
        raise DataError(path, 'points', 'finite numbers', 'NaN or infinity')
    check_metres(path, points)
    return points


def read_scan(path: str | PathLike[str]) -> np.ndarray:
    """Read a lidar scan: x, y, z in metres and the reflectance.

    Returns:
        (N, 4) float32, N > 0.

    Raises:
        DataError: As :func:`read_velodyne`, or a reflectance is not in 0..1.
    """
    points = read_velodyne(path)
    low, high = float(points[:, 3].min()), float(points[:, 3].max())
    if low < 0 or high > 1:
        hint = 'Scale the fourth column (intensities up to 255: divide them by 255)'
        raise DataError(path, 'reflectance', 'numbers in 0..1', f'{low:g}..{high:g}', hint)
    return points


def write_velodyne(path: str | PathLike[str], points: np.ndarray) -> None:
    """Write (N, 4) points, or (N, 3) points with a fourth column of ones, as float32.

    Raises:
        DataError: There are no points, the number of columns is wrong, or a number is not finite.
    """
    points = np.asarray(points)
    if points.ndim != 2 or points.shape[1] not in (3, 4) or len(points) == 0:
        raise DataError(path, 'points', 'shape (N, 3) or (N, 4), N > 0', points.shape)
    if points.shape[1] == 3:
        points = np.concatenate((points, np.ones((len(points), 1), points.dtype)), 1)
    with np.errstate(over='ignore'):
        stored = points.astype('<f4')
    if not np.isfinite(stored).all():
        raise DataError(path, 'points', 'finite numbers', 'NaN or infinity')
    with atomic_write(path) as file:
        file.write(stored.tobytes())


def read_voxel_labels(path: str | PathLike[str], shape: Shape) -> np.ndarray:
    """Read training labels ``FFFFFF_1_n.npy``, integer (as mmssc writes) or floating point.

    Returns:
        uint8 train ids of ``shape`` (X, Y, Z), 255 = ignore.

    Raises:
        DataError: The file is missing or damaged, has another shape, or has values other than
            integers 0..255.
    """
    labels = read_npy(path)
    if labels.shape != tuple(shape):
        hint = order_hint(shape, labels.shape)
        raise DataError(path, 'shape', tuple(shape), labels.shape, hint)
    if labels.dtype == np.uint8:
        return labels.copy()
    return check_whole_numbers(labels, 0, 255, path, 'labels').astype(np.uint8)


def write_voxel_labels(path: str | PathLike[str], labels: np.ndarray) -> None:
    """Write train ids as a uint8 ``.npy``."""
    labels = np.asarray(labels)
    if labels.dtype != np.uint8:
        raise DataError(path, 'labels', 'uint8 train ids', labels.dtype)
    write_npy(path, labels)


def read_depth(path: str | PathLike[str]) -> np.ndarray:
    """Read a depth map: ``.npy`` in metres, or 16-bit ``.png`` in 1/256 m.

    Returns:
        (H, W) float32 in metres along the optical axis, 0 = no measurement.

    Raises:
        DataError: The file is missing, damaged, has another format or is not two-dimensional, or a
            depth is negative or not finite.
    """
    suffix = Path(path).suffix.lower()
    if suffix == '.png':
        return read_png_uint16(path).astype(np.float32) / np.float32(_DEPTH_PNG_SCALE)
    if suffix != '.npy':
        raise DataError(path, 'file name', '.npy or .png', suffix or 'no suffix')
    depth = read_metres(path)
    if not np.isfinite(depth).all() or depth.min() < 0:
        raise DataError(path, 'depth', 'finite metres, 0 = none', 'NaN, infinity or negative',
                        'Set pixels without depth to 0')  # fmt: skip
    return depth


def write_depth(path: str | PathLike[str], depth: np.ndarray) -> None:
    """Write an (H, W) depth map in metres: ``.npy`` float32, or 16-bit ``.png`` (to 1/256 m)."""
    depth = np.asarray(depth, np.float32)
    if depth.ndim != 2 or not np.isfinite(depth).all() or depth.min() < 0:
        raise DataError(path, 'depth', '(H, W) finite metres, 0 = none', depth.shape)
    if Path(path).suffix.lower() != '.png':
        return write_npy(path, depth)
    stored = np.round(depth * _DEPTH_PNG_SCALE)
    if stored.max() > 65535:
        raise DataError(path, 'depth', 'at most 255.99 m in a .png', f'{depth.max()} m')
    with atomic_write(path) as file:
        Image.fromarray(stored.astype(np.uint16)).save(file, format='PNG')
    return None
