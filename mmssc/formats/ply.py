"""Scans in ``.ply`` files: ASCII, and binary in both byte orders."""

from __future__ import annotations

from os import PathLike

import numpy as np

from mmssc.errors import DataError
from mmssc.file_kinds import HEAD_BYTES, describe_file

from .regular_files import read_bytes
from .scan_points import PointField, Scan, check_point_count, scan_of_records, scan_of_text

__all__ = ['read_ply']

_MOST_LINES, _LONGEST_LINE, _MOST_FIELDS = 1000, 4096, 100
_ORDERS = {'ascii': '<', 'binary_little_endian': '<', 'binary_big_endian': '>'}
_TYPES = {
    'char': 'i1', 'int8': 'i1', 'uchar': 'u1', 'uint8': 'u1', 'short': 'i2', 'int16': 'i2',
    'ushort': 'u2', 'uint16': 'u2', 'int': 'i4', 'int32': 'i4', 'uint': 'u4', 'uint32': 'u4',
    'float': 'f4', 'float32': 'f4', 'double': 'f8', 'float64': 'f8',
}  # fmt: skip


def read_ply(path: str | PathLike[str], largest: float | None = None) -> Scan:
    """Read the vertices, which must be the first element; faces are not read.

    Args:
        path: The file.
        largest: See :func:`~mmssc.formats.scan_points.scale_intensity`.

    Raises:
        DataError: The file is missing, is no ``.ply`` file or is damaged, its vertices have no x,
            y, z or a list, or it holds no scan, see
            :func:`~mmssc.formats.scan_points.make_scan`.
    """
    content = read_bytes(path)
    lines, start = _read_header(content, path)
    kind = lines[0][1] if len(lines[0]) > 1 else ''
    if lines[0][0] != 'format' or kind not in _ORDERS:
        found = ' '.join(lines[0])
        raise DataError(path, 'format', f'format {", ".join(_ORDERS)}', found)
    count, fields = _read_vertices(lines[1:], _ORDERS[kind], path)
    read = scan_of_text if kind == 'ascii' else scan_of_records
    return read(content[start:], fields, count, path, largest)


def _read_header(content: bytes, path: str | PathLike[str]) -> tuple[list[list[str]], int]:
    """Words of each line of the header without comments, and where the points begin."""
    lines: list[list[str]] = []
    start = 0
    for number in range(_MOST_LINES):
        end = content.find(b'\n', start, start + _LONGEST_LINE)
        words = content[start : max(end, 0)].decode('ascii', 'replace').split()
        if end < 0 or (number == 0 and words != ['ply']):
            break
        start = end + 1
        if words == ['end_header'] and lines:
            return lines, start
        if number and words and words[0] not in ('comment', 'obj_info'):
            lines.append(words)
    found = describe_file(content[:HEAD_BYTES])
    raise DataError(path, 'header', 'that of a .ply file, up to end_header', found.text,
                    found.remedy)  # fmt: skip


def _read_vertices(
    lines: list[list[str]], order: str, path: str | PathLike[str]
) -> tuple[int, list[PointField]]:
    """Number and fields of the vertices."""
    first = lines[0] if lines else ['nothing']
    is_count = len(first) == 3 and first[2].isascii() and first[2].isdecimal()
    if first[:2] != ['element', 'vertex'] or not is_count or len(first[2]) > 18:
        raise DataError(path, 'header', "'element vertex N' as first element", ' '.join(first))
    fields = []
    for words in lines[1:]:
        if words[0] == 'element':
            break
        if len(words) != 3 or words[0] != 'property' or words[1] not in _TYPES:
            expected = "'property TYPE NAME' for each number of a vertex"
            raise DataError(path, 'header', expected, ' '.join(words))
        fields.append(PointField(words[2].lower(), np.dtype(order + _TYPES[words[1]])))
    if not 0 < len(fields) <= _MOST_FIELDS:
        expected = f'1 to {_MOST_FIELDS} properties of a vertex'
        raise DataError(path, 'header', expected, len(fields))
    return check_point_count(int(first[2]), path, 'element vertex'), fields
