"""Write scans in the formats that users have."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

#: (200, 4) float32: x, y, z in metres, intensity 0..1.
POINTS = np.random.default_rng(3).uniform((1, -20, -2, 0), (40, 20, 3, 1), (200, 4)).astype('<f4')
_LAS_SCALE = 0.001


def write_pcd(path: Path, kind: str = 'binary', rows: np.ndarray = POINTS, head: str = '') -> None:
    """Write x, y, z, a field of padding, and intensity."""
    count = len(rows)
    header = (
        f'# .PCD v0.7\nVERSION 0.7\nFIELDS x y z _ intensity\nSIZE 4 4 4 1 4\nTYPE F F F U F\n'
        f'COUNT 1 1 1 3 1\nWIDTH {count}\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS {count}\n'
        f'{head}DATA {kind}\n'
    )  # fmt: skip
    columns = [rows[:, 0], rows[:, 1], rows[:, 2], np.zeros((count, 3), np.uint8), rows[:, 3]]
    if kind == 'ascii':
        lines = (f'{x!r} {y!r} {z!r} 0 0 0 {i!r}\n' for x, y, z, i in rows.tolist())
        path.write_text(header + ''.join(lines))
        return
    record = np.dtype([('xyz', '<f4', 3), ('gap', 'u1', 3), ('intensity', '<f4')])
    records = np.zeros(count, record)
    records['xyz'], records['intensity'] = rows[:, :3], rows[:, 3]
    content = records.tobytes()
    if kind == 'binary_compressed':
        planes = b''.join(np.ascontiguousarray(column).tobytes() for column in columns)
        packed = pack_lzf(planes)
        content = struct.pack('<II', len(packed), len(planes)) + packed
    path.write_bytes(header.encode() + content)


def pack_lzf(content: bytes) -> bytes:
    """Pack as LZF: repeated bytes as copies that reach into themselves, the others as they are."""
    packed, at = bytearray(), 0
    while at < len(content):
        run = 1
        while at + run < len(content) and run < 265 and content[at + run] == content[at]:
            run += 1
        packed += bytes([0, content[at]])
        at += 1
        if run > 9:
            packed += bytes([7 << 5, run - 1 - 9, 0])
            at += run - 1
    return bytes(packed)


def write_ply(path: Path, kind: str = 'binary_little_endian', rows: np.ndarray = POINTS) -> None:
    """Write x, y, z as doubles, intensity as float; then one face."""
    properties = ''.join(f'property double {name}\n' for name in 'xyz')
    path.write_bytes(
        f'ply\nformat {kind} 1.0\ncomment made by hand\nelement vertex {len(rows)}\n'
        f'{properties}property float intensity\nelement face 1\n'
        f'property list uchar int vertex_indices\nend_header\n'.encode()
    )
    order = '>' if kind == 'binary_big_endian' else '<'
    with path.open('ab') as file:
        if kind == 'ascii':
            for row in rows.tolist():
                file.write((' '.join(map(repr, row)) + '\n').encode())
            file.write(b'3 0 1 2\n')
            return
        record = np.dtype([('xyz', f'{order}f8', 3), ('intensity', f'{order}f4')])
        records = np.zeros(len(rows), record)
        records['xyz'], records['intensity'] = rows[:, :3], rows[:, 3]
        file.write(records.tobytes() + struct.pack(f'{order}B3i', 3, 0, 1, 2))


def write_las(path: Path, rows: np.ndarray = POINTS, packed: bool = False) -> None:
    """Write LAS 1.2, points of format 0, in millimetres; intensity as 16 bits."""
    record = np.dtype([('xyz', '<i4', 3), ('intensity', '<u2'), ('others', 'u1', 6)])
    records = np.zeros(len(rows), record)
    records['xyz'] = np.round(rows[:, :3].astype(np.float64) / _LAS_SCALE)
    records['intensity'] = np.round(rows[:, 3] * 65535)
    content, vlr = records.tobytes(), b''
    if packed:
        import lazrs

        settings = lazrs.LazVlr.new_for_compression(0, 0)
        data = bytes(settings.record_data())
        vlr = struct.pack('<2x16sHH32x', b'laszip encoded', 22204, len(data)) + data
        content = bytes(lazrs.compress_points(settings, content, False))
        # The place of the chunk table counts from the start of the file.
        place = struct.unpack_from('<q', content)[0] + 227 + len(vlr)
        content = struct.pack('<q', place) + content[8:]
    header = bytearray(227)
    header[:4], header[24:26] = b'LASF', bytes([1, 2])
    struct.pack_into('<HIIBHI', header, 94, 227, 227 + len(vlr), bool(vlr), 128 * packed,
                     record.itemsize, len(rows))  # fmt: skip
    struct.pack_into('<6d', header, 131, *(_LAS_SCALE,) * 3, 0, 0, 0)
    path.write_bytes(bytes(header) + vlr + content)
