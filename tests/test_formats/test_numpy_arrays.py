"""Headers of .npy files that claim what cannot be."""

from __future__ import annotations

import struct

import numpy as np
import pytest
import torch

from mmssc.errors import DataError
from mmssc.formats.numpy_arrays import read_npy, read_npy_shape
from mmssc.formats.regular_files import MAX_BYTES

HUGE = '9' * 3000


def npy(path, header, data=b'', version=1):
    text = header.encode('latin1')
    length = struct.pack('<H' if version == 1 else '<I', len(text))
    path.write_bytes(b'\x93NUMPY' + bytes([version, 0]) + length + text + data)
    return path


def header(shape='(2,)', kind="'<f4'", order='False'):
    return f"{{'descr': {kind}, 'fortran_order': {order}, 'shape': {shape}}}"


@pytest.mark.parametrize('read', [read_npy, read_npy_shape])
@pytest.mark.parametrize(
    ('text', 'message'),
    [
        (header(f'({HUGE}, {HUGE}, {HUGE})'), 'shape: expected at most 32 sizes'),
        (header(f'(0, {HUGE})'), 'shape: expected at most 32 sizes'),
        (header('(0x' + 'f' * 9000 + ',)'), 'shape: expected at most 32 sizes'),
        (header('(-0x' + 'f' * 9000 + ',)'), 'a number of more than 4300 digits'),
        (header(str((0,) * 70)), 'shape: expected at most 32 sizes'),
        (header('(-1,)'), r'shape: expected a tuple of sizes, found \(-1,\)'),
        (header('(True,)'), 'shape: expected a tuple of sizes'),
        (header('(2.0,)'), 'shape: expected a tuple of sizes'),
        (header('[2]'), 'shape: expected a tuple of sizes'),
        (header('(100000,)'), 'size: expected 40.* bytes, found'),
        (header(kind='None'), 'header: expected an .npy header'),
        (header(kind='[' * 4000 + ']' * 4000), 'header: expected an .npy header'),
        (header(kind="'<M8[99999999999999999999s]'"), 'header: expected an .npy header'),
        (header(kind="'<U99999999999'"), 'header: expected|dtype: expected'),
        (header(kind="[('a', '<f4')]"), 'dtype: expected floating-point numbers'),
        (header(kind="'|O'"), 'dtype: expected floating-point numbers'),
        (header(order='2'), 'header: expected an .npy header'),
        (header('(' + '-' * 9000 + '1,)'), 'header: expected an .npy header'),
        ('3', 'header: expected an .npy header'),
    ],
)
def test_a_wrong_header_is_named(tmp_path, read, text, message):
    with pytest.raises(DataError, match=message) as caught:
        read(npy(tmp_path / 'a.npy', text, bytes(8)))
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize('read', [read_npy, read_npy_shape])
def test_a_long_header_is_not_parsed(tmp_path, read):
    with pytest.raises(DataError, match='header: expected at most 10000 bytes, found 5000000'):
        read(npy(tmp_path / 'a.npy', '(' * 5_000_000, version=2))


@pytest.mark.parametrize('version', [1, 2, 3])
def test_headers_of_every_version_are_read(tmp_path, version):
    path = npy(tmp_path / 'a.npy', header('(2, 0)') + ' ' * 20 + '\n', version=version)
    assert read_npy(path).shape == read_npy_shape(path) == (2, 0)


def test_other_byte_orders_become_that_of_the_machine(tmp_path):
    array = np.arange(24.0).reshape(2, 3, 4)
    for dtype in ('>f8', '<f8', '>i2'):
        for stored in (array.astype(dtype), np.asfortranarray(array.astype(dtype))):
            np.save(tmp_path / 'a.npy', stored)
            found = read_npy(tmp_path / 'a.npy')
            assert np.array_equal(found, array) and not found.flags.writeable
            assert torch.equal(torch.from_numpy(found.copy()), torch.tensor(array).to(
                torch.int16 if dtype == '>i2' else torch.float64
            ))  # fmt: skip


def test_the_largest_real_volume_is_half_of_the_limit():
    assert 480 * 288 * 480 * np.dtype(np.float64).itemsize < MAX_BYTES / 2
