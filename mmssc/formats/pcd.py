"""Scans in ``.pcd`` files of the Point Cloud Library: ASCII, binary and compressed."""

from __future__ import annotations

import struct
from os import PathLike

import numpy as np

from mmssc.errors import DataError
from mmssc.file_kinds import HEAD_BYTES, describe_file

from .regular_files import MAX_BYTES, read_bytes
from .scan_points import (
    PointField,
    Scan,
    check_point_count,
    scan_of_columns,
    scan_of_records,
    scan_of_text,
)

__all__ = ['read_pcd']

_MOST_LINES, _LONGEST_LINE = 64, 4096
_MOST_FIELDS, _LARGEST_RECORD = 100, 4096  # bytes
_TYPES = {(kind.upper(), size): np.dtype(f'<{kind}{size}')
          for kind, sizes in dict(i=(1, 2, 4, 8), u=(1, 2, 4, 8), f=(4, 8)).items()
          for size in sizes}  # fmt: skip


def read_pcd(path: str | PathLike[str], largest: float | None = None) -> Scan:
    """Read a scan; ``VIEWPOINT`` is not used.

    Args:
        path: The file.
        largest: See :func:`~mmssc.formats.scan_points.scale_intensity`.

    Raises:
        DataError: The file is missing, is no ``.pcd`` file or is damaged, has no fields x, y, z, or
            holds no scan, see :func:`~mmssc.formats.scan_points.make_scan`.
    """
    content = read_bytes(path)
    header, start = _read_header(content, path)
    fields = _read_fields(header, path)
    count = _read_count(header, path)
    kind = ' '.join(header['DATA']).lower()
    if kind == 'ascii':
        return scan_of_text(content[start:], fields, count, path, largest)
    if kind == 'binary':
        return scan_of_records(content[start:], fields, count, path, largest)
    if kind == 'binary_compressed':
        return _read_compressed(content[start:], fields, count, path, largest)
    raise DataError(path, 'DATA', 'ascii, binary or binary_compressed', kind or 'nothing')


def _read_header(content: bytes, path: str | PathLike[str]) -> tuple[dict[str, list[str]], int]:
    """Words of each line of the header, and where the points begin."""
    header: dict[str, list[str]] = {}
    start = 0
    for _ in range(_MOST_LINES):
        end = content.find(b'\n', start, start + _LONGEST_LINE)
        if end < 0:
            break
        words = content[start:end].decode('ascii', 'replace').split()
        start = end + 1
        if words and not words[0].startswith('#'):
            header[words[0].upper()] = words[1:]
            if words[0].upper() == 'DATA':
                return header, start
    found = describe_file(content[:HEAD_BYTES])
    raise DataError(path, 'header', 'that of a .pcd file, up to DATA', found.text, found.remedy)


def _whole_numbers(words: list[str], path: str | PathLike[str], field: str) -> list[int]:
    if not all(word.isascii() and word.isdecimal() and len(word) < 19 for word in words):
        raise DataError(path, field, 'whole numbers', ' '.join(words))
    return [int(word) for word in words]


def _read_fields(header: dict[str, list[str]], path: str | PathLike[str]) -> list[PointField]:
    names = header.get('FIELDS') or header.get('COLUMNS') or []
    if not 0 < len(names) <= _MOST_FIELDS:
        raise DataError(path, 'FIELDS', f'1 to {_MOST_FIELDS} names', len(names))
    kinds = [kind.upper() for kind in header.get('TYPE', [])]
    sizes = _whole_numbers(header.get('SIZE', []), path, 'SIZE')
    counts = _whole_numbers(header.get('COUNT', ['1'] * len(names)), path, 'COUNT')
    for field, entries in (('TYPE', kinds), ('SIZE', sizes), ('COUNT', counts)):
        if len(entries) != len(names):
            raise DataError(path, field, f'{len(names)}, one for each field', len(entries))
    unknown = [f'{kind} {size}' for kind, size in zip(kinds, sizes) if (kind, size) not in _TYPES]
    if unknown:
        raise DataError(path, 'TYPE and SIZE', 'I or U with 1, 2, 4, 8; F with 4, 8', unknown)
    length = sum(size * count for size, count in zip(sizes, counts))
    if min(counts) < 1 or length > _LARGEST_RECORD:
        expected = f'1 or more, and at most {_LARGEST_RECORD} bytes a point'
        raise DataError(path, 'COUNT', expected, ' '.join(map(str, counts)))
    return [
        PointField(name.lower(), _TYPES[kind, size], count)
        for name, kind, size, count in zip(names, kinds, sizes, counts)
    ]


def _read_count(header: dict[str, list[str]], path: str | PathLike[str]) -> int:
    if 'POINTS' in header:
        (count, *more) = _whole_numbers(header['POINTS'], path, 'POINTS') or [0]
    else:
        (count, *more) = _whole_numbers(header.get('WIDTH', []), path, 'WIDTH') or [0]
        for height in _whole_numbers(header.get('HEIGHT', ['1']), path, 'HEIGHT'):
            count *= height
    if more:
        raise DataError(path, 'POINTS', 'one number', len(more) + 1)
    return check_point_count(count, path, 'POINTS')


def _read_compressed(
    content: bytes,
    fields: list[PointField],
    count: int,
    path: str | PathLike[str],
    largest: float | None,
) -> Scan:
    """Points that are stored field by field, packed with LZF."""
    if len(content) < 8:
        raise DataError(path, 'size', 'two sizes before the points', f'{len(content)} bytes')
    packed, unpacked = struct.unpack_from('<II', content)
    wanted = count * sum(field.dtype.itemsize * field.count for field in fields)
    if wanted > MAX_BYTES:
        most = f'at most {MAX_BYTES // 2**20} MiB'
        raise DataError(path, 'unpacked size', most, f'{wanted} bytes')
    if unpacked != wanted:
        raise DataError(path, 'unpacked size', f'{wanted} bytes', f'{unpacked} bytes')
    if len(content) - 8 < packed:
        found = f'{len(content) - 8} bytes'
        raise DataError(path, 'size', f'{packed} bytes of packed points', found)
    values = _unpack_lzf(content[8 : 8 + packed], wanted)
    if values is None:
        raise DataError(path, 'points', f'LZF data of {wanted} bytes', 'damaged data')
    columns, at = [], 0
    for field in fields:
        column = np.frombuffer(values, field.dtype, count * field.count, at)
        columns.append(column.reshape(count, field.count))
        at += column.nbytes
    return scan_of_columns(columns, fields, path, largest)


def _unpack_lzf(packed: bytes, size: int) -> bytes | None:
    """Unpack LZF data to exactly ``size`` bytes; None if it is damaged."""
    unpacked, at, end = bytearray(), 0, len(packed)
    try:
        while at < end and len(unpacked) <= size:
            control = packed[at]
            at += 1
            if control < 32:  # Bytes that follow.
                unpacked += packed[at : at + control + 1]
                at += control + 1
                continue
            length = control >> 5
            if length == 7:
                length += packed[at]
                at += 1
            length += 2
            start = len(unpacked) - ((control & 31) << 8) - packed[at] - 1
            at += 1
            if start < 0:
                return None
            earlier = bytes(unpacked[start : start + length])
            # A copy can reach into itself: it then repeats.
            unpacked += (earlier * (length // len(earlier) + 1))[:length]
    except IndexError:
        return None
    return bytes(unpacked) if len(unpacked) == size and at == end else None
