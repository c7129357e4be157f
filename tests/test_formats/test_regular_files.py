"""Files that wait or never end are refused, and nothing waits for them."""

from __future__ import annotations

import codecs
import os

import pytest

from mmssc.errors import DataError
from mmssc.formats.images import read_image_shape, read_rgb
from mmssc.formats.numpy_arrays import NpzArchive, read_npy, read_npz
from mmssc.formats.regular_files import (
    MAX_BYTES,
    MAX_TEXT_BYTES,
    open_regular_file,
    read_bytes,
    read_csv_rows,
    read_ends,
    read_text,
)  # fmt: skip


def opened(path):
    with open_regular_file(path, 'a file') as file:
        return file.read()


READERS = [
    opened, read_bytes, read_ends, read_text, read_rgb, read_image_shape, read_npy, NpzArchive,
    lambda path: read_npz(path, ['a']),
]  # fmt: skip


@pytest.mark.parametrize('read', READERS)
def test_what_is_no_regular_file_is_refused(tmp_path, impatient, read):
    os.mkfifo(tmp_path / 'pipe')
    for path, kind in (
        (tmp_path / 'pipe', 'a named pipe'),
        (tmp_path, 'a folder'),
        ('/dev/zero', 'a device'),
    ):
        with pytest.raises(DataError, match=f'{path}: .*expected a regular file, found {kind}'):
            read(path)


@pytest.mark.parametrize('read', [read_bytes, read_ends, read_text])
def test_a_missing_or_empty_file_is_named(tmp_path, read):
    with pytest.raises(DataError, match='a.txt: file: expected an existing file, found none'):
        read(tmp_path / 'a.txt')
    (tmp_path / 'a.txt').touch()
    with pytest.raises(DataError, match='a.txt: size: expected more than 0 bytes'):
        read(tmp_path / 'a.txt')


@pytest.mark.parametrize('read', READERS)
def test_a_path_that_no_file_has_is_refused(read):
    with pytest.raises(DataError, match='null'):
        read('a\0b')


def test_contents(tmp_path):
    (tmp_path / 'a.txt').write_bytes(b'0123456789')
    assert read_bytes(tmp_path / 'a.txt') == opened(tmp_path / 'a.txt') == b'0123456789'
    assert read_text(tmp_path / 'a.txt') == '0123456789'
    (tmp_path / 'windows.txt').write_bytes('\ufeff1 2'.encode())
    assert read_text(tmp_path / 'windows.txt') == '1 2'
    assert read_ends(tmp_path / 'a.txt', 3) == (b'012', b'789', 10)


@pytest.mark.parametrize(('read', 'limit'), [(read_bytes, MAX_BYTES), (read_text, MAX_TEXT_BYTES)])
def test_a_file_beyond_the_limit_is_not_read(tmp_path, read, limit):
    path = tmp_path / 'a.txt'
    path.touch()
    os.truncate(path, limit + 1)
    with pytest.raises(DataError, match=f'a.txt: size: expected at most .* MiB, found {limit + 1}'):
        read(path)
    path.write_bytes(b'0123456789')
    assert len(read(path, 10)) == 10
    with pytest.raises(DataError, match='a.txt: size: expected at most 9 bytes, found 10 bytes'):
        read(path, 9)


def test_a_file_that_grows_meanwhile_is_refused(tmp_path, monkeypatch):
    path = tmp_path / 'a.txt'
    path.write_bytes(b'0123456789')

    def fstat(descriptor):
        status = os.stat(descriptor)
        with path.open('ab') as file:
            file.write(b'more')
        return status

    monkeypatch.setattr('mmssc.formats.regular_files.os.fstat', fstat)
    with pytest.raises(DataError, match='another size while it was read. Wait'):
        read_bytes(path)


@pytest.mark.parametrize('end', ['\n', '\r\n', '\r'])
def test_rows_end_as_on_any_system(tmp_path, end):
    (tmp_path / 'a.csv').write_bytes(f'a,b{end}1,"2,3"{end}'.encode())
    assert read_csv_rows(tmp_path / 'a.csv') == [['a', 'b'], ['1', '2,3']]


def test_a_table_without_a_line_is_refused(tmp_path):
    (tmp_path / 'a.csv').write_bytes(codecs.BOM_UTF8)
    with pytest.raises(DataError, match='a.csv: content: expected rows of a .csv, found no line'):
        read_csv_rows(tmp_path / 'a.csv')


def test_a_very_long_value_of_a_row_is_refused(tmp_path):
    (tmp_path / 'a.csv').write_text('a,"' + 'b' * 200_000)
    with pytest.raises(DataError, match='a.csv: content: expected rows of a .csv'):
        read_csv_rows(tmp_path / 'a.csv')


def test_a_circle_of_links_is_named(tmp_path):
    (tmp_path / 'a').symlink_to(tmp_path / 'b')
    (tmp_path / 'b').symlink_to(tmp_path / 'a')
    with pytest.raises(DataError, match='found a link that leads back to itself'):
        read_text(tmp_path / 'a')


def test_a_missing_checkpoint_names_the_newest_beside_it(tmp_path):
    with pytest.raises(DataError, match='epoch_5.pth: expected a file, found no such file$'):
        opened(tmp_path / 'epoch_5.pth')
    for number in (3, 4):
        (tmp_path / f'epoch_{number}.pth').touch()
        os.utime(tmp_path / f'epoch_{number}.pth', (number, number))
    with pytest.raises(DataError, match='The newest checkpoint beside it is .*/epoch_4.pth$'):
        opened(tmp_path / 'epoch_5.pth')
