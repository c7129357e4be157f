"""Atomic writing and the data error."""

from __future__ import annotations

import os
import pickle
import stat

import pytest

from mmssc.errors import DataError
from mmssc.fileio import atomic_write


def test_file_appears_whole_with_ordinary_permissions(tmp_path):
    path = tmp_path / 'new' / 'folder' / 'a.txt'
    with atomic_write(path, 'w') as file:
        file.write('é')
        assert not path.exists()
    assert path.read_bytes() == 'é'.encode()
    plain = tmp_path / 'plain'
    plain.write_text('')
    assert stat.S_IMODE(os.stat(path).st_mode) == stat.S_IMODE(os.stat(plain).st_mode)


def test_failure_leaves_the_old_file_and_no_rest(tmp_path):
    path = tmp_path / 'a.bin'
    path.write_bytes(b'old')
    with pytest.raises(RuntimeError, match='half'), atomic_write(path) as file:
        file.write(b'new')
        raise RuntimeError('half way')
    assert path.read_bytes() == b'old'
    assert os.listdir(tmp_path) == ['a.bin']


def test_data_error_says_everything_and_survives_pickle():
    error = DataError('calib.txt', 'P2', '12 numbers', 11, 'Download it again')
    text = 'calib.txt: P2: expected 12 numbers, found 11. Download it again'
    assert str(error) == text
    copy = pickle.loads(pickle.dumps(error))
    assert isinstance(copy, DataError)
    assert str(copy) == text
    assert copy.field == 'P2'
