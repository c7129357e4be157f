"""Scans of users: every format gives the same points, and a wrong file one clear line."""

from __future__ import annotations

import struct
import sys

import numpy as np
import pytest
from scan_files import POINTS, write_las, write_pcd, write_ply

from mmssc.errors import DataError, MissingDependencyError
from mmssc.formats.scan_points import make_scan, scale_intensity
from mmssc.formats.scans import SCAN_SUFFIXES, read_scan_file

RINGS = np.tile(np.arange(32, dtype='<f4'), 7)[: len(POINTS), None]
WRITERS = {
    'kitti.bin': lambda path: path.write_bytes(POINTS.tobytes()),
    'nuscenes.pcd.bin': lambda path: path.write_bytes(np.hstack([POINTS, RINGS]).tobytes()),
    'four.npy': lambda path: np.save(path, POINTS),
    'double.npy': lambda path: np.save(path, POINTS.astype(np.float64)),
    'ascii.pcd': lambda path: write_pcd(path, 'ascii'),
    'binary.pcd': write_pcd,
    'packed.pcd': lambda path: write_pcd(path, 'binary_compressed'),
    'ascii.ply': lambda path: write_ply(path, 'ascii'),
    'little.ply': write_ply,
    'big.ply': lambda path: write_ply(path, 'binary_big_endian'),
    'a.las': write_las,
}  # fmt: skip


@pytest.mark.parametrize('name', WRITERS)
def test_all_formats_give_the_same_scan(tmp_path, name):
    WRITERS[name](tmp_path / name)
    found = read_scan_file(tmp_path / name)
    assert found.points.dtype == found.reflectance.dtype == np.float32
    assert found.points.flags.writeable
    off = 6e-4 if name.endswith('.las') else 0  # stored in millimetres
    np.testing.assert_allclose(found.points, POINTS[:, :3], atol=off, rtol=0)
    np.testing.assert_allclose(found.reflectance, POINTS[:, 3], atol=1e-5 if off else 0, rtol=0)


def test_laz(tmp_path):
    pytest.importorskip('lazrs')
    write_las(tmp_path / 'a.las')
    write_las(tmp_path / 'a.laz', packed=True)
    for one, other in zip(read_scan_file(tmp_path / 'a.las'), read_scan_file(tmp_path / 'a.laz')):
        np.testing.assert_array_equal(one, other)


def test_laz_without_its_package(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'lazrs', None)
    write_las(tmp_path / 'a.laz')
    content = bytearray((tmp_path / 'a.laz').read_bytes())
    content[104] |= 128  # compressed
    (tmp_path / 'a.laz').write_bytes(content)
    with pytest.raises(MissingDependencyError, match=r"pip install 'mmssc\[lidar\]'"):
        read_scan_file(tmp_path / 'a.laz')


def test_no_intensity(tmp_path):
    np.save(tmp_path / 'a.npy', POINTS[:, :3])
    assert read_scan_file(tmp_path / 'a.npy').reflectance is None
    dark = POINTS.copy()
    dark[:, 3] = 0
    write_las(tmp_path / 'a.las', dark)
    assert read_scan_file(tmp_path / 'a.las').reflectance is None


def test_rays_without_return_are_left_out(tmp_path):
    rows = POINTS.copy()
    rows[0], rows[1, 1], rows[2, :3], rows[3, 3] = np.nan, np.inf, 0, np.nan
    np.save(tmp_path / 'a.npy', rows)
    found = read_scan_file(tmp_path / 'a.npy')
    np.testing.assert_array_equal(found.points, rows[3:, :3])
    assert found.reflectance[0] == 0
    rows[:, :3] = 0
    np.save(tmp_path / 'a.npy', rows)
    with pytest.raises(DataError, match='at least one return, found only points at'):
        read_scan_file(tmp_path / 'a.npy')


@pytest.mark.parametrize('top', [1, 255, 65535])
def test_intensity_is_scaled(top):
    np.testing.assert_allclose(scale_intensity([0, top / 2, top], 'a'), [0, 0.5, 1], rtol=1e-6)


@pytest.mark.parametrize('wrong', [-1, 65536, np.inf])
def test_wrong_intensity(wrong):
    with pytest.raises(DataError, match='intensity: expected 0 to .*Leave out the intensity'):
        scale_intensity([0.5, wrong], 'a')


def test_a_known_range_of_intensity():
    np.testing.assert_allclose(scale_intensity([0, 1, 2], 'a', 4), [0, 0.25, 0.5])
    with pytest.raises(DataError, match='0 to 1, found 0 to 2'):
        scale_intensity([0, 2], 'a', 1)
    for largest in (np.nan, np.inf, 0, -1):
        with pytest.raises(DataError, match='largest intensity: expected a positive number'):
            scale_intensity([0, 0], 'a', largest)


def test_coordinates_of_a_map(tmp_path):
    with pytest.raises(DataError, match='frame of the sensor.*5.4e.06.*Subtract the position'):
        make_scan(np.array([[4e5, 5.4e6, 100.0]]), None, 'a.las')


def test_the_lowest_whole_number_is_far_away():
    with pytest.raises(DataError, match='in the frame of the sensor.*found 32768'):
        make_scan(np.array([[-32768, 1, 2]], np.int16), None, 'a.npy')


def header_of(path):
    return path.read_bytes().partition(b'DATA')[0]


WRONG = {
    'a.txt': (b'1 2 3', 'a scan: .bin, .npy, .pcd'),
    'odd.bin': (bytes(13), 'float32 numbers'),
    'three.bin': (POINTS[:101, :3].tobytes(), 'rows of 4 float32.*Save other rows as .npy'),
    'pointer.bin': (b'version https://git-lfs.github.com/spec/v1\n'.ljust(132),
                    "132 bytes: a pointer of Git LFS.*Run 'git lfs pull'"),
    'page.bin': (b'<!doctype html><html>', '21 bytes: a web page'),
    'swapped.bin': (POINTS.astype('>f4').tobytes(), 'swapped bytes'),
    'image.pcd': (b'\x89PNG\r\n\x1a\n' + bytes(30), 'that of a .pcd file.*found a PNG image'),
    'page.ply': (b'<!doctype html><html>', 'that of a .ply file.*a web page'),
    'text.las': (b'x y z\n', 'that of a .las or .laz file.*a text file'),
    'no_z.pcd': (b'FIELDS x y\nSIZE 4 4\nTYPE F F\nPOINTS 1\nDATA binary\n' + bytes(8),
                 'x, y and z, found x, y'),
    'type.pcd': (b'FIELDS x\nSIZE 2\nTYPE F\nPOINTS 1\nDATA binary\n', 'F with 4, 8, found F 2'),
    'kind.pcd': (b'FIELDS x\nSIZE 4\nTYPE F\nPOINTS 1\nDATA zip\n', 'binary_compressed, found zip'),
    'word.pcd': (b'FIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nPOINTS 1\nDATA ascii\n1 2 three\n',
                 'points: expected numbers'),
    'few.pcd': (b'FIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nPOINTS 2\nDATA ascii\n1 2 3\n',
                '6 numbers .2 points., found 3'),
    'lie.pcd': (b'FIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nPOINTS 19000000\nDATA binary\n' + bytes(12),
                '228000000 bytes of points, found 12'),
    'huge.pcd': (b'FIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nPOINTS 999999999\nDATA binary\n',
                 '1 to 20000000 points'),
    'bomb.pcd': (b'FIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nPOINTS 19000000\nDATA binary_compressed\n'
                 + struct.pack('<II', 6, 228_000_000) + b'\x00a\xe0\xff\x00\x00',
                 'LZF data of 228000000 bytes, found damaged'),
    'large.pcd': (b'FIELDS x y z w\nSIZE 4 4 4 4\nTYPE F F F F\nCOUNT 1 1 1 20\nPOINTS 19000000\n'
                  b'DATA binary_compressed\n' + struct.pack('<II', 6, 1_748_000_000) + bytes(6),
                  'unpacked size: expected at most 1024 MiB, found 1748000000 bytes'),
    'wide.pcd': (b'FIELDS x y z w\nSIZE 4 4 4 4\nTYPE F F F F\nCOUNT 1 1 1 20\nPOINTS 19000000\n'
                 b'DATA ascii\n1 2 3\n', 'at most 134217728 numbers as text, found 437000000'),
    'line.ply': (b'ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nend_header\n'
                 + bytes(2**20 + 1), 'a line of at most 1 MiB'),
    'list.ply': (b'ply\nformat ascii 1.0\nelement vertex 1\nproperty list int int x\nend_header\n',
                 "'property TYPE NAME'"),
    'face.ply': (b'ply\nformat ascii 1.0\nelement face 1\nend_header\n', 'as first element'),
    'order.ply': (b'ply\nformat binary 1.0\nelement vertex 1\nend_header\n', 'binary_big_endian'),
    'lie.ply': (b'ply\nformat binary_little_endian 1.0\nelement vertex 9\nproperty float x\n'
                b'property float y\nproperty float z\nend_header\n' + bytes(12), '108 bytes'),
}  # fmt: skip


@pytest.mark.parametrize('name', WRONG)
def test_a_wrong_file_gets_one_clear_line(tmp_path, name):
    content, text = WRONG[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=text) as caught:
        read_scan_file(tmp_path / name)
    assert '\n' not in str(caught.value) and name in str(caught.value)


def test_a_folder_is_no_file_of_a_wrong_name(tmp_path):
    with pytest.raises(DataError, match='a regular file, found a folder'):
        read_scan_file(tmp_path)
    with pytest.raises(DataError, match='an existing file, found none'):
        read_scan_file(tmp_path / 'missing')


@pytest.mark.parametrize('suffix', SCAN_SUFFIXES)
def test_a_missing_file(tmp_path, suffix):
    with pytest.raises(DataError, match='an existing file, found none'):
        read_scan_file(tmp_path / f'missing{suffix}')


def test_las_sizes_that_lie(tmp_path):
    path = tmp_path / 'a.las'
    for place, kind, value, text in (
        (107, '<I', 10**6, 'at least .* bytes'), (105, '<H', 3, 'size of a point'),
        (131, '<d', float('nan'), 'positive scales'), (96, '<I', 2**31, 'start of the points'),
    ):  # fmt: skip
        write_las(path)
        content = bytearray(path.read_bytes())
        struct.pack_into(kind, content, place, value)
        path.write_bytes(content)
        with pytest.raises(DataError, match=text):
            read_scan_file(path)
