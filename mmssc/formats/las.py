"""Scans in ``.las`` files, and in ``.laz`` files with the package lazrs."""

from __future__ import annotations

import io
import struct
from os import PathLike
from typing import NamedTuple

import numpy as np

from mmssc.errors import DataError, MissingDependencyError
from mmssc.file_kinds import HEAD_BYTES, describe_file

from .regular_files import read_bytes
from .scan_points import Scan, check_point_count, make_scan

__all__ = ['read_las']

_HEADER_BYTES, _HEADER_BYTES_14 = 227, 375
# Every format of a point begins with these fields.
_START = np.dtype(
    dict(names=['xyz', 'intensity'], formats=[('<i4', (3,)), '<u2'], offsets=[0, 12], itemsize=14)
)
_SMALLEST_RECORD, _LARGEST_RECORD = 20, 4096
_VLR_HEADER, _MOST_VLRS = 54, 1000
_LASZIP = b'laszip encoded'.ljust(16, b'\0'), 22204
# Real files take 2 bytes or more for a point.
_MOST_PER_BYTE = 8
_POINTS_AT_ONCE = 100_000


class _Header(NamedTuple):
    """What is read of a header.

    Args:
        packed: Whether the points are compressed.
        start: Where the points begin.
        record: Bytes of a point.
        points: How many there are.
        scale: (3,) float64, metres per unit.
        offset: (3,) float64, metres.
        first_vlr: Where the variable-length records begin.
        vlrs: The number of these records.
    """

    packed: bool
    start: int
    record: int
    points: int
    scale: np.ndarray
    offset: np.ndarray
    first_vlr: int
    vlrs: int


def read_las(path: str | PathLike[str], largest: float | None = None) -> Scan:
    """Read a scan; an intensity of 0 everywhere means that there is none.

    Args:
        path: The file.
        largest: See :func:`~mmssc.formats.scan_points.scale_intensity`.

    Raises:
        DataError: The file is missing, is no ``.las`` or ``.laz`` file or is damaged, or holds no
            scan, see :func:`~mmssc.formats.scan_points.make_scan`.
        MissingDependencyError: The file is compressed, and lazrs is not installed.
    """
    content = read_bytes(path)
    header = _read_header(content, path)
    if header.packed:
        records = _unpack(content, header, path)
    else:
        wanted = header.start + header.points * header.record
        if len(content) < wanted:
            raise DataError(path, 'size', f'at least {wanted} bytes', f'{len(content)} bytes')
        records = _starts(content[header.start : wanted], header.record)
    with np.errstate(over='ignore', invalid='ignore'):
        points = records['xyz'] * header.scale + header.offset
    intensity = records['intensity']
    return make_scan(points, intensity if intensity.any() else None, path, largest)


def _starts(content: bytes | np.ndarray, record: int) -> np.ndarray:
    """The first fields of the points."""
    rows = np.frombuffer(content, np.uint8).reshape(-1, record)
    return np.ascontiguousarray(rows[:, : _START.itemsize]).view(_START)[:, 0]


def _read_header(content: bytes, path: str | PathLike[str]) -> _Header:
    if not content.startswith(b'LASF') or len(content) < _HEADER_BYTES:
        found = describe_file(content[:HEAD_BYTES])
        raise DataError(path, 'header', 'that of a .las or .laz file', found.text, found.remedy)
    (major, minor) = content[24:26]
    size, start, vlrs, kind, record, count = struct.unpack_from('<HIIBHI', content, 94)
    if (major, minor) == (1, 4) and len(content) >= _HEADER_BYTES_14:
        count = max(count, struct.unpack_from('<Q', content, 247)[0])
    numbers = np.array(struct.unpack_from('<6d', content, 131))
    if not np.isfinite(numbers).all() or not (numbers[:3] > 0).all():
        expected = 'finite numbers, positive scales'
        raise DataError(path, 'scale and offset', expected, numbers.tolist())
    if not _SMALLEST_RECORD <= record <= _LARGEST_RECORD:
        expected = f'{_SMALLEST_RECORD} to {_LARGEST_RECORD} bytes'
        raise DataError(path, 'size of a point', expected, record)
    if not size <= start <= len(content):
        raise DataError(path, 'start of the points', f'{size} to {len(content)}', start)
    check_point_count(count, path, 'number of points')
    return _Header(kind >= 64, start, record, count, numbers[:3], numbers[3:], size, vlrs)


def _unpack(content: bytes, header: _Header, path: str | PathLike[str]) -> np.ndarray:
    """The first fields of compressed points."""
    try:
        import lazrs
    except ImportError as error:
        text = "reading .laz files needs lazrs: pip install 'mmssc[lidar]'"
        raise MissingDependencyError(f'{path}: {text}, or convert the file to .las') from error
    most = _MOST_PER_BYTE * (len(content) - header.start)
    if header.points > most:
        expected = f'at most {most} for this size of the file'
        raise DataError(path, 'number of points', expected, header.points)
    vlr = _laszip_record(content, header, path)
    parts = []
    try:
        settings = lazrs.LazVlr(vlr)
        size = settings.item_size()
        if size != header.record:
            raise DataError(path, 'size of a packed point', header.record, size)
        _check_chunks(content, header, settings.chunk_size(), path)
        file = io.BytesIO(content)
        file.seek(header.start)
        unpacker = lazrs.LasZipDecompressor(file, vlr)
        for first in range(0, header.points, _POINTS_AT_ONCE):
            count = min(_POINTS_AT_ONCE, header.points - first)
            block = np.zeros(count * header.record, np.uint8)
            unpacker.decompress_many(block)
            parts.append(_starts(block, header.record))
    except DataError:
        raise
    except BaseException as error:
        # lazrs is written in Rust, whose panics are no Exception.
        if isinstance(error, (KeyboardInterrupt, SystemExit, GeneratorExit)):
            raise
        raise DataError(path, 'points', 'compressed points', f'damaged ones ({error})') from error
    return np.concatenate(parts)


def _laszip_record(content: bytes, header: _Header, path: str | PathLike[str]) -> bytes:
    """The record that says how the points are compressed."""
    at = header.first_vlr
    for _ in range(min(header.vlrs, _MOST_VLRS)):
        if at + _VLR_HEADER > header.start:
            break
        name, number, length = struct.unpack_from('<2x16sHH', content, at)
        at += _VLR_HEADER
        if (name, number) == _LASZIP and at + length <= header.start:
            return content[at : at + length]
        at += length
    raise DataError(path, 'header', 'a laszip record of compressed points', 'none')


def _check_chunks(
    content: bytes, header: _Header, chunk_size: int, path: str | PathLike[str]
) -> None:
    """Refuse a table of chunks that no memory holds: lazrs would end the process."""
    end = len(content)
    (place,) = struct.unpack_from('<q', content, header.start) if end - header.start >= 16 else (0,)
    if place == -1:  # The file was written as a stream: the place is its last number.
        (place,) = struct.unpack_from('<q', content, end - 8)
    if not header.start + 8 <= place <= end - 8:
        raise DataError(path, 'place of the chunk table', f'{header.start + 8} to {end - 8}', place)
    (chunks,) = struct.unpack_from('<4xI', content, place)
    # Chunks of variable size hold at least one point.
    most = -(-header.points // chunk_size) if 0 < chunk_size < 2**32 - 1 else header.points
    if chunks > most:
        raise DataError(path, 'number of chunks', f'at most {most}', chunks)
