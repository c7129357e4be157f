"""Rows of ``.bin`` scans that are no x, y, z, intensity in metres."""

from __future__ import annotations

import numpy as np
import pytest

from mmssc.errors import DataError
from mmssc.formats.kitti import read_velodyne, write_velodyne
from mmssc.formats.scans import read_scan_file


@pytest.mark.parametrize('count', [1, 5000])
def test_points_with_swapped_bytes_are_refused(tmp_path, count):
    points = np.random.default_rng(0).normal(0, 20, (count, 4)).astype('>f4')
    points[:, 3] = 1
    (tmp_path / 'a.bin').write_bytes(points.tobytes())
    with pytest.raises(DataError, match='a.bin: points: expected little-endian .*swapped bytes'):
        read_velodyne(tmp_path / 'a.bin')


@pytest.mark.parametrize(
    ('read', 'count', 'place'),
    [(read_velodyne, 400, 'columns'), (read_velodyne, 401, 'size'),
     (read_scan_file, 400, 'columns')],
)  # fmt: skip
def test_rows_of_three_numbers_are_refused(tmp_path, read, count, place):
    points = np.random.default_rng(0).normal(0, 20, (count, 3)).astype('<f4')
    (tmp_path / 'a.bin').write_bytes(points.tobytes())
    with pytest.raises(DataError, match=rf'a.bin: {place}: .*x, y, z\?.*np.zeros') as caught:
        read(tmp_path / 'a.bin')
    assert '\n' not in str(caught.value)
    # The remedy works.
    np.c_[points, np.zeros(len(points))].astype('<f4').tofile(tmp_path / 'a.bin')
    read(tmp_path / 'a.bin')


def test_a_missing_intensity_is_no_coordinate(tmp_path):
    points = np.ones((3, 4), '<f4')
    points[1, 3] = -1
    (tmp_path / 'a.bin').write_bytes(points.tobytes())
    assert read_velodyne(tmp_path / 'a.bin')[1, 3] == -1


@pytest.mark.parametrize('read', [read_velodyne, read_scan_file])
@pytest.mark.parametrize('scale', [50, 100])
def test_a_scan_in_another_unit_is_refused(tmp_path, scale, read):
    points = np.random.default_rng(0).normal(0, 20, (500, 4))
    points[:, 3] = 0
    write_velodyne(tmp_path / 'a.bin', points)
    read(tmp_path / 'a.bin')
    write_velodyne(tmp_path / 'a.bin', points * scale)
    with pytest.raises(DataError, match='a.bin: points: expected metres, .*millimetres'):
        read(tmp_path / 'a.bin')
