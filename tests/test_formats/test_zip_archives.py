"""Archives that unpack to far more than they are, or that zip's usual programs did not write."""

from __future__ import annotations

import io
import resource
import struct
import zipfile

import numpy as np
import pytest

from mmssc.errors import DataError
from mmssc.formats.numpy_arrays import NpzArchive, read_npz, write_npz
from mmssc.formats.rgbd_prepared import has_prepared
from mmssc.formats.zip_archives import ZipArchive
from mmssc.parity.report import ParityCase

READERS = [lambda path: read_npz(path, ['a']), lambda path: NpzArchive(path).read('a'), ParityCase]
DIRECTORY = b'PK\x01\x02'
# Offsets in an entry of the directory.
FLAGS, METHOD, UNPACKED = 8, 10, 24


def zeros(path, size):
    """An ``.npz`` with an array of zeros, written without holding it in memory."""
    header = io.BytesIO()
    count = dict(descr='|u1', fortran_order=False, shape=(size,))
    np.lib.format.write_array_header_1_0(header, count)
    with (
        zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive,
        archive.open('a.npy', 'w', force_zip64=True) as file,
    ):
        file.write(header.getvalue())
        for _ in range(size // 2**20):
            file.write(bytes(2**20))
    return path


def changed(path, offset, value):
    """Overwrite a number in the directory entry of the only member."""
    content = bytearray(path.read_bytes())
    start = content.rfind(DIRECTORY) + offset
    content[start : start + len(value)] = value
    path.write_bytes(content)
    return path


def small(path):
    write_npz(path, dict(a=np.arange(5)))
    return path


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@pytest.fixture(scope='module')
def bomb(tmp_path_factory):
    """1.1 GiB in about one MiB."""
    return zeros(tmp_path_factory.mktemp('bomb') / 'a.npz', 1100 * 2**20)


@pytest.mark.parametrize('read', READERS)
def test_a_bomb_is_refused_before_it_is_unpacked(bomb, read):
    before = peak()
    with pytest.raises(DataError, match=r'a.npz: a: expected at most 1024 MiB, found 1153433'):
        read(bomb)
    assert peak() - before < 100


@pytest.mark.parametrize('read', READERS)
def test_a_size_that_lies_unpacks_no_more_than_it_says(tmp_path, read):
    path = zeros(tmp_path / 'a.npz', 300 * 2**20)
    changed(path, UNPACKED, struct.pack('<I', 200))
    before = peak()
    with pytest.raises(DataError, match='a.npz: '):
        read(path)
    assert peak() - before < 100


@pytest.mark.parametrize('read', READERS)
@pytest.mark.parametrize(
    ('offset', 'value', 'message'),
    [
        (FLAGS, b'\x01', 'a: expected a member without a password, found one with it. Unpack it'),
        (METHOD, b'\x0c', 'a: expected no compression, or deflate, found another one'),
        (20, b'\xf0\xff\xff\x0f', 'archive: expected .*, found a damaged or incomplete one'),
        (UNPACKED, b'\xff\xff\xff\x3f', 'a, size: expected 168 bytes, found 1073741823 bytes'),
    ],
    ids=['password', 'bzip2', 'overlap', 'size'],
)
def test_odd_members_are_refused(tmp_path, read, offset, value, message):
    with pytest.raises(DataError, match=message):
        read(changed(small(tmp_path / 'a.npz'), offset, value))


@pytest.mark.parametrize('read', READERS)
def test_an_array_that_is_there_twice_is_refused(tmp_path, read):
    path = small(tmp_path / 'a.npz')
    with pytest.warns(UserWarning), zipfile.ZipFile(path, 'a') as archive:
        archive.writestr('a.npy', b'')
    with pytest.raises(DataError, match='keys: expected each array once'):
        read(path)


def test_what_is_no_archive_is_named(tmp_path):
    path = tmp_path / 'a.npz'
    path.write_bytes(b'version https://git-lfs.github.com/spec/v1\n')
    with pytest.raises(DataError, match='found a pointer of Git LFS.* Run .git lfs pull'):
        read_npz(path, ['a'])
    assert not has_prepared(path, ['tsdf'])


def test_a_directory_of_a_large_size_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr('mmssc.formats.zip_archives._MAX_DIRECTORY', 1000)
    path = tmp_path / 'a.npz'
    write_npz(path, {f'array_{number:040}': np.zeros(1) for number in range(8)})
    assert len(ZipArchive(path, 'an archive').names) == 8
    write_npz(path, {f'array_{number:040}': np.zeros(1) for number in range(12)})
    with pytest.raises(DataError, match='archive: expected an archive'):
        ZipArchive(path, 'an archive')


def test_a_member_is_read_whole(tmp_path):
    with zipfile.ZipFile(tmp_path / 'a.zip', 'w', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr('folder/', '')
        archive.writestr('folder/a', b'12345' * 1000)
    with ZipArchive(tmp_path / 'a.zip', 'an archive') as archive:
        assert archive.names == ['folder/a'] and archive.size_of('folder/a') == 5000
        assert archive.read('folder/a') == b'12345' * 1000
