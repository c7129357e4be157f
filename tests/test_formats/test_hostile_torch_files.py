"""Checkpoints that an attacker wrote: nothing runs, no pointer is followed, nothing takes forever.

A failure here can end the whole test process, as it would end the user's.
"""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import re
import struct
import sys
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch_archives import Calls, StorageId, pickled, write_archive, write_legacy

from mmssc.compat import load_checkpoint_file
from mmssc.errors import DataError, UnsafeCheckpointError
from mmssc.formats import nesting, restricted_pickle
from mmssc.formats.restricted_pickle import RestrictedUnpickler
from mmssc.formats.torch_file import read_torch_file

OBJECT = np.dtype('O')
# As numpy does not write it: without the state, which a check of states would see.
BARE_OBJECT = Calls(np.dtype, 'O8', False, True)
RECONSTRUCT = np.zeros(0).__reduce__()[0]
SCALAR = np.float64(0).__reduce__()[0]
ADDRESS = struct.pack('<Q', 0x4141414141414141)
FLOATS = StorageId(torch.FloatStorage, 4)
REBUILD = torch._utils._rebuild_tensor_v2


def tensor(offset, size, stride, storage=FLOATS, *more):
    return Calls(REBUILD, storage, offset, size, stride, False, {}, *more)


def array(state):
    return Calls(RECONSTRUCT, np.ndarray, (0,), b'b', state=state)


# What the message has to say -> what it is said of.
HOSTILE = {
    'type object, which are not numbers': {
        'an array over an address': Calls(np.ndarray, (1,), OBJECT, ADDRESS),
        'an array over an address, by its state': array((1, (1,), OBJECT, False, ADDRESS)),
        'an array over an address, of a bare type': Calls(np.ndarray, (1,), BARE_OBJECT, ADDRESS),
        'an array over an address, of a bare type, by its state': array(
            (1, (1,), BARE_OBJECT, False, ADDRESS)
        ),
        'a number that is an object': Calls(SCALAR, OBJECT, ADDRESS),
        'a number that is a bare object': Calls(SCALAR, BARE_OBJECT, ADDRESS),
        'a type with a field of objects': Calls(
            np.dtype, 'f8', False, True, state=(3, '<', None, ('a',), {'a': OBJECT}, 64, 8, 16)
        ),
    },
    'which are not numbers': {
        'a structured type': Calls(SCALAR, np.dtype([('a', 'O')]), ADDRESS),
        'a text type': Calls(SCALAR, np.dtype('U2'), ADDRESS),
        'raw bytes of numpy': Calls(SCALAR, np.dtype('V8'), ADDRESS),
        'a long double': Calls(SCALAR, np.dtype('g'), bytes(16)),
        'a time of numpy': Calls(SCALAR, np.dtype('M8[s]'), ADDRESS),
    },
    'an array or a tensor made by its class': {
        'an array by its class': Calls(np.ndarray, (1,), np.dtype('f8'), bytes(8)),
        'a tensor by its class': Calls(torch.Tensor, 2),
    },
    'another class of numpy': {
        'an array whose class is another': Calls(RECONSTRUCT, torch.Tensor, (0,), b'b'),
    },
    'bytes for an array of 4 numbers of float64': {
        'an array larger than its bytes': array((1, (4,), np.dtype('f8'), False, b'8 bytes.')),
    },
    'bytes for a number of type float64': {
        'a number larger than its bytes': Calls(SCALAR, np.dtype('f8'), b'1'),
    },
    'in another byte order': {
        'a type of another byte order': Calls(
            np.dtype, 'f8', False, True, state=(3, '>', None, None, None, -1, -1, 0)
        ),
    },
    'bool values other than 0 and 1': {
        'a bool of 7': Calls(SCALAR, np.dtype('?'), b'\7'),
        'bools of 7': array((1, (3,), np.dtype('?'), False, b'\1\7\0')),
        'a tensor of bools of 255': tensor(0, (4,), (1,), StorageId(torch.BoolStorage, 4, '1')),
    },
    'whose size is not made of integers': {
        'an array of negative size': array((1, (-1, -1), np.dtype('f8'), False, b'8 bytes.')),
        'a tensor of negative size': tensor(0, (-2, -2), (1, 1)),
        'a tensor of floats for sizes': tensor(0, (2.0,), (1,)),
        'a tensor of bools for sizes': tensor(0, (True,), (1,)),
    },
    'whose stride is not made of integers': {
        'a tensor with negative strides': tensor(3, (4,), (-1,)),
    },
    'whose offset is not made of integers': {
        'a tensor before its storage': tensor(-1, (1,), (1,)),
    },
    'elements of a storage of 4': {
        'a tensor beyond its storage': tensor(0, (5,), (1,)),
        'a tensor behind its storage': tensor(4, (1,), (1,)),
        'a tensor with long strides': tensor(0, (2,), (2**40,)),
    },
    'whose size is too large': {
        'a tensor whose size overflows': tensor(0, (2**32, 2**32), (0, 0)),
        'a tensor whose size overflows, of nothing': tensor(0, (0, 2**61, 2**61), (1, 1, 1)),
    },
    'together much larger than the file': {
        'a tensor of four terabytes': tensor(0, (2**40,), (0,)),
    },
    '2 sizes, 0 strides': {'a tensor without strides': tensor(0, (2, 2), ())},
    'without a storage of known dtype': {'a tensor of no storage': tensor(0, (1,), (1,), [1, 2])},
    'with hooks': {
        'a tensor with hooks': Calls(REBUILD, FLOATS, 0, (1,), (1,), False, {0: 1}),
    },
    'a storage of 16 bytes, not of': {
        'a storage larger than its bytes': tensor(0, (8,), (1,), StorageId(torch.FloatStorage, 8)),
        'a storage of a negative size': tensor(0, (0,), (1,), StorageId(torch.FloatStorage, -4)),
    },
    'There is no item named|a list of storages that differs': {
        'a storage that is not there': tensor(0, (4,), (1,), StorageId(torch.FloatStorage, 4, '9')),
        'a storage whose key is a path': tensor(
            0, (4,), (1,), StorageId(torch.FloatStorage, 4, '../data.pkl')
        ),
    },
    'a value of type Storage, which is no plain value': {'a bare storage': FLOATS},
    'a call of a value of type StorageKind': {
        'a storage made by a call': Calls(torch.FloatStorage, 4),
    },
    'not made of a tensor': {
        'a parameter of no tensor': Calls(torch._utils._rebuild_parameter, [1.0], True, {}),
    },
    'not made by a function of torch': {
        'a tensor that is a dict': Calls(
            torch._tensor._rebuild_from_type_v2, OrderedDict, torch.Tensor, (), {}
        ),
    },
    'torch._utils._rebuild_sparse_tensor': {
        'a sparse tensor': Calls(torch._utils._rebuild_sparse_tensor, torch.sparse_coo, ()),
    },
    'torch.storage._load_from_bytes': {
        'bytes that torch would load': Calls(torch.storage._load_from_bytes, b'1'),
    },
    'posix.(getcwd|system)': {
        'a tensor by another function': Calls(
            torch._tensor._rebuild_from_type_v2, os.getcwd, torch.Tensor, (), {}
        ),
        'an array of functions': array((1, (1,), np.dtype('f8'), False, [os.system])),
        'a command': Calls(os.system, 'false'),
    },
    'an attribute of something other than a log history': {
        'an attribute': Calls(getattr, np.ndarray, 'ctypes'),
    },
    '__builtin__.bytearray': {'ten gigabytes': Calls(bytearray, 10**10)},
}  # fmt: skip
if hasattr(torch._utils, '_rebuild_tensor_v3'):  # Newer than torch 2.1.
    HOSTILE['torch.qint8'] = {
        'a tensor of a quantised type': Calls(
            torch._utils._rebuild_tensor_v3, StorageId(torch.storage.UntypedStorage, 16),
            0, (1,), (1,), False, {}, torch.qint8,
        ),
    }  # fmt: skip


def cases(groups):
    """One case for each value, named after it."""
    return [
        pytest.param(value, words, id=name)
        for words, group in groups.items()
        for name, value in group.items()
    ]


def write(path, program, legacy):
    """The program with the storages that it uses; a legacy file may hold no others."""
    storages = {'0': (4, struct.pack('<4f', 1, 2, 3, 4)), '1': (4, b'\xff' * 4)}
    if not legacy:
        return write_archive(path, program, {key: item[1] for key, item in storages.items()})
    used = {'0': b'FloatStorage' in program, '1': b'BoolStorage' in program}
    return write_legacy(path, program, {key: storages[key] for key in used if used[key]})


def found_in(path):
    """What the error says that the file holds."""
    with pytest.raises(DataError) as caught:
        load_checkpoint_file(path)
    assert caught.value.file == str(path) and len(str(caught.value.found)) <= 200
    return caught.value.found


BOTH_FORMATS = pytest.mark.parametrize('legacy', [False, True], ids=['zip', 'legacy'])
GOOD = tensor(0, (2, 2), (2, 1))


@BOTH_FORMATS
def test_the_same_files_with_ordinary_values_are_read(tmp_path, legacy):
    values = dict(
        good=GOOD,
        array=array((1, (2,), np.dtype('?'), False, b'\0\1')),
        number=Calls(SCALAR, np.dtype('f8'), struct.pack('<d', 0.5)),
    )
    loaded = load_checkpoint_file(write(tmp_path / 'good.pth', pickled(values), legacy))
    assert loaded['good'].tolist() == [[1, 2], [3, 4]]
    assert loaded['array'].tolist() == [False, True] and loaded['number'] == 0.5


@BOTH_FORMATS
@pytest.mark.parametrize('value, words', cases(HOSTILE))
def test_hostile_values_are_refused(tmp_path, value, words, legacy):
    path = write(tmp_path / 'bad.pth', pickled({'good': GOOD, 'weight': value}), legacy)
    assert re.search(words, found_in(path))


def doubled(count, start=b'N'):
    """A program of nested pairs, each of the next one twice: 2**count values for who goes there."""
    return start + b''.join(b'q%ch%c\x86' % (n, n) for n in range(count))


TENSOR = pickled(tensor(0, (4,), (1,)))[:-1]  # Without the stop instruction.
ARRAY = pickled(np.zeros(2))[:-1]
PROGRAMS = {
    'keys that are set in a value of type': {
        'an item of a tensor': TENSOR + b'K\x00K\x01s.',
        'items of a tensor': TENSOR + b'(K\x00K\x01u.',
        'an item of an array': ARRAY + b'K\x00K\x01s.',
        'an item of a list': b'\x80\x02](K\x00K\x01u.',
    },
    'elements that are added to a value of type': {
        'an element of a tensor': TENSOR + b'K\x01a.',
        'elements of a dict': b'\x80\x02}(K\x01e.',
        'elements of a set that is a list': b'\x80\x04](K\x01\x90.',
    },
    'a state for a value of type': {
        'a state of a tensor': TENSOR + b'(K\x00K\x00K\x00K\x00tb.',
        'a second state of an array': ARRAY + b'(K\x01K\x01tb.',
        'a state of a dict': b'\x80\x02}}X\x05\x00\x00\x00itemsK\x01sb.',
        'a state of a class': b'\x80\x02cmmengine.logging.history_buffer\nHistoryBuffer\n}b.',
    },
    'a call of a value of type': {
        'a call of a number': b'\x80\x02K\x01)R.',
        'a call of a result': b'\x80\x02ccollections\nOrderedDict\n)R)R.',
    },
    'os.system': {
        'a name in a variable': b'\x80\x04\x8c\x02os\x8c\x06system\x93.',
    },
    'numpy.ndarray.data': {
        'a part of a class': b'\x80\x04\x8c\x05numpy\x8c\x0cndarray.data\x93.',
    },
    'the instruction (STRING|EXT1|OBJ|INST|POP|DUP)': {
        'a class that Python makes': b'\x80\x02(cos\nsystem\no.',
        'a class of the first protocol': b'(S"false"\nios\nsystem\n.',
        'a class with arguments': b'\x80\x02(c_codecs\nencode\no.',
        'an extension': b'\x80\x02\x82\x01.',
        'a value twice': b'\x80\x02]2.',
    },
    'a damaged pickle|a name that is not text': {
        'an empty stack': b'\x80\x02.',
        'no mark': b'\x80\x02t.',
        'a missing memory': b'\x80\x02h\x05.',
        'no end': b'\x80\x02K\x01',
        'a text longer than the file': b'\x80\x02X\xff\xff\xff\x7fabc.',
        'a text of eight exabytes': b'\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7fabc.',
        'sixty pairs as a name': b'\x80\x04\x8c\x02os' + doubled(60) + b'\x93.',
    },
    'a key of type tuple': {
        'a tuple as a key': b'\x80\x02}K\x01K\x02\x86K\x03s.',
        'sixty pairs as a key': b'\x80\x02}' + doubled(60) + b'Ns.',
        'sixty pairs for an OrderedDict': (
            b'\x80\x02ccollections\nOrderedDict\n' + doubled(60) + b'h\x3b\x86\x85\x85R.'
        ),
    },
    'an integer of more than 18 digits as a key': {
        'a number whose hash is another one': (
            b'\x80\x02}\x8a\x09' + (2**64).to_bytes(9, 'little') + b'Ns.'
        ),
    },
    'an attribute of something other than a log history': {
        'sixty pairs as an attribute': (
            b'\x80\x02c__builtin__\ngetattr\ncmmengine.logging.history_buffer\nHistoryBuffer\n'
            + doubled(60) + b'\x86R.'
        ),
    },
    'a tensor without a storage, or of an unknown dtype|_rebuild_tensor_v3': {
        'sixty pairs as a dtype': (
            b'\x80\x02ctorch._utils\n_rebuild_tensor_v3\n(' + TENSOR[2:]
            + b'K\x00))\x89}' + doubled(60) + b'tR.'
        ),
    },
    'nested values of more than 100 levels': {
        'a list in itself': b'\x80\x02]q\x00h\x00a.',
        'a dict in itself': b'\x80\x02}q\x00K\x01h\x00s.',
        'deep lists': b'\x80\x02' + b']' * 5000 + b'a' * 4999 + b'.',
        'sixty lists of the next one twice': (
            b'\x80\x02](' + b''.join(b']q%c(' % n for n in range(60))
            + b''.join(b'K\x01h%ce' % n for n in range(59, -1, -1)) + b'e.'
        ),
    },
}  # fmt: skip


@BOTH_FORMATS
@pytest.mark.parametrize('program, words', cases(PROGRAMS))
def test_programs_that_plain_values_do_not_need_are_refused(tmp_path, program, words, legacy):
    assert re.search(words, found_in(write(tmp_path / 'bad.pth', program, legacy)))


@pytest.mark.parametrize(
    'call',
    [
        b'c_codecs\nencode\nq\x00X%bq\x01X\x06\x00\x00\x00latin1\x86q\x02' % (
            struct.pack('<L', 10000) + b'a' * 10000
        ),
        b'ccollections\nOrderedDict\nq\x00]q\x01('
        + b'X\x01\x00\x00\x00aN\x86' * 10000 + b'e\x85q\x02',
        b'c__builtin__\nset\nq\x00]q\x01(' + b'N' * 5000 + b'e\x85q\x02',
    ],
    ids=['text', 'pairs', 'elements'],
)  # fmt: skip
def test_a_call_that_is_repeated_cannot_fill_the_memory(tmp_path, call):
    """Each of them copies its argument, which stands in the file once."""
    start = b'\x80\x02](' + call
    (one, many) = (start + b'R' + b'h\x00h\x02R' * count + b'e.' for count in (1, 300))
    load_checkpoint_file(write_archive(tmp_path / 'one.pth', one))
    path = write_archive(tmp_path / 'many.pth', many)
    assert found_in(path) == 'values that are together much larger than the file'


def test_texts_of_the_file_are_short_and_printable_in_a_message(tmp_path):
    name = b'\x1b[31mred' + b'x' * 10**6
    path = write_archive(tmp_path / 'bad.pth', b'\x80\x02c' + name + b'\ny\n.')
    with pytest.raises(UnsafeCheckpointError, match=r'found \?\[31mredxxx') as caught:
        load_checkpoint_file(path)
    assert len(str(caught.value)) < 500
    assert (
        str(DataError('a.pth', 'key', 'b', '\x1b[2J\rc')) == 'a.pth: key: expected b, found ?[2J?c'
    )


@pytest.mark.parametrize(
    'limit, program, words',
    [
        ('_MAX_INSTRUCTIONS', b'\x80\x02' + b'N' * 100 + b'.', 'more than 100 steps'),
        ('_MAX_OBJECTS', b'\x80\x02](' + b'}' * 100 + b'e.', 'more than 100 objects'),
        ('_MAX_INTEGER_KEYS', b'\x80\x02}(' + b'K\x01N' * 101 + b'u.', '100 integers as keys'),
        ('_MAX_VALUES', b'\x80\x02](' + b'N' * 100 + b'e.', '100 values'),
    ],
)
def test_what_a_file_may_hold_is_limited(tmp_path, monkeypatch, limit, program, words):
    path = write_archive(tmp_path / 'long.pth', program)
    load_checkpoint_file(write_archive(tmp_path / 'short.pth', b'\x80\x02](' + b'N' * 90 + b'e.'))
    owner = nesting if limit == '_MAX_VALUES' else restricted_pickle
    monkeypatch.setattr(owner, limit, 100)
    assert words in found_in(path)


class RunsWhenLoaded(torch.nn.Module):
    """TorchScript calls ``__setstate__`` when the archive is loaded, and can write files."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path
        self.training = False

    @torch.jit.export
    def __getstate__(self):
        return (self.path, self.training)

    @torch.jit.export
    def __setstate__(self, state: tuple[str, bool]):
        self.path = state[0]
        self.training = state[1]
        torch.save(torch.zeros(1), self.path)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return values


@pytest.mark.filterwarnings('ignore')
def test_torchscript_is_refused_before_it_runs(tmp_path):
    target = tmp_path / 'executed'
    torch.jit.save(torch.jit.script(RunsWhenLoaded(str(target))), str(tmp_path / 'model.pth'))
    torch.jit.load(str(tmp_path / 'model.pth'))
    assert target.exists(), 'the archive is harmless and proves nothing'
    target.unlink()
    with pytest.raises(UnsafeCheckpointError, match='TorchScript archive'):
        load_checkpoint_file(tmp_path / 'model.pth')
    # Without the members that tell it apart, it is no program any more.
    renamed = tmp_path / 'renamed.pth'
    with zipfile.ZipFile(tmp_path / 'model.pth') as archive, zipfile.ZipFile(renamed, 'w') as copy:
        for name in archive.namelist():
            if '/code/' not in name and not name.endswith('/constants.pkl'):
                copy.writestr(name, archive.read(name))
    with pytest.raises(UnsafeCheckpointError, match='expected weights'):
        load_checkpoint_file(renamed)
    assert not target.exists()


def test_archives_that_unpack_to_more_than_the_file_are_refused(tmp_path):
    program = pickled(tensor(0, (4,), (1,)))
    compressed = tmp_path / 'compressed.pth'
    with zipfile.ZipFile(compressed, 'w', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr('archive/data.pkl', program)
        archive.writestr('archive/data/0', bytes(2**24))
    with pytest.raises(DataError, match='without compression'):
        load_checkpoint_file(compressed)
    overlapping = tmp_path / 'overlapping.pth'
    write_archive(overlapping, program, {'0': bytes(4096), '1': bytes(4096)})
    content = overlapping.read_bytes()
    # The directory gives the second storage the place and the size of the whole file before it.
    entry = content.rindex(b'archive/data/1') - 46
    size = struct.pack('<LL', len(content) - 1000, len(content) - 1000)
    overlapping.write_bytes(content[: entry + 20] + size + content[entry + 28 :])
    with pytest.raises(DataError, match='larger than the file'):
        load_checkpoint_file(overlapping)


def test_other_archives_are_refused(tmp_path):
    program = pickled({'weight': 1})
    with (
        pytest.warns(UserWarning, match='Duplicate'),
        zipfile.ZipFile(tmp_path / 'twice.pth', 'w') as archive,
    ):
        archive.writestr('archive/data.pkl', program)
        archive.writestr('archive/data/0', b'1')
        archive.writestr('archive/data/0', b'2')
    write_archive(tmp_path / 'order.pth', program, byteorder=b'big')
    with zipfile.ZipFile(tmp_path / 'other.pth', 'w') as archive:
        archive.writestr('readme.txt', 'no weights')
    for name, message in (
        ('twice.pth', 'holds a member twice'),
        ('order.pth', 'byte order: expected little, as on this machine, found big'),
        ('other.pth', r'a zip archive of something else \(it holds readme.txt\)'),
    ):
        with pytest.raises(DataError, match=f'{name}.*{message}'):
            load_checkpoint_file(tmp_path / name)


def test_files_that_wait_or_never_end_are_refused(tmp_path):
    os.mkfifo(tmp_path / 'pipe.pth')
    for path, kind in (
        (tmp_path / 'pipe.pth', 'a named pipe'),
        (tmp_path, 'a folder'),
        ('/dev/zero', 'a device'),
    ):
        with pytest.raises(DataError, match=f'expected a regular file, found {kind}'):
            load_checkpoint_file(path)
    with pytest.raises(DataError, match='no such file'):
        load_checkpoint_file(tmp_path / 'missing.pth')


@pytest.mark.parametrize('legacy', [True, False])
def test_a_sparse_file_of_terabytes_is_refused(tmp_path, legacy):
    path = tmp_path / 'sparse.pth'
    torch.save(an_ordinary_checkpoint(), path, _use_new_zipfile_serialization=not legacy)
    os.truncate(path, 2**42)
    with pytest.raises(DataError, match='sparse.pth: size: expected at most 16 GiB, found 4398'):
        load_checkpoint_file(path)


@pytest.mark.parametrize('legacy', [True, False])
def test_a_storage_that_no_memory_holds_is_one_line(tmp_path, monkeypatch, legacy):
    def allocate(size, **_):
        raise RuntimeError(f"DefaultCPUAllocator: can't allocate memory: {size} bytes")

    path = tmp_path / 'large.pth'
    torch.save(an_ordinary_checkpoint(), path, _use_new_zipfile_serialization=not legacy)
    monkeypatch.setattr(torch, 'empty', lambda size, **_: allocate(size) if size else None)
    with pytest.raises(DataError, match='large.pth: .*not enough memory'):
        load_checkpoint_file(path)


@pytest.mark.parametrize('legacy', [True, False])
def test_every_legacy_and_zip_file_cut_or_with_one_wrong_byte(tmp_path, legacy):
    """Each byte of a small file: IndexError and struct.error came from damaged legacy files."""
    content = io.BytesIO()
    torch.save({'a': torch.arange(3.0)}, content, _use_new_zipfile_serialization=not legacy)
    whole = content.getvalue()
    for place in range(len(whole)):
        for wrong in (whole[:place], whole[:place] + b'\xff' + whole[place + 1 :]):
            with contextlib.suppress(DataError):
                read_torch_file(io.BytesIO(wrong))


@pytest.mark.parametrize(
    'content, found',
    [
        (b'', 'an empty file'),
        (b'version https://git-lfs.github.com/spec/v1\noid', 'a pointer of Git LFS'),
        (b'\xef\xbb\xbf<!-- saved -->\n<!DOCTYPE html><html>', 'a web page'),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', 'a web page'),
        (b'\x93NUMPY', 'an array of NumPy'),
        (b'\x40' + bytes(7) + b'{"weight":{"dtype":"F32"', 'a file of safetensors.*load_file'),
        (b'\x08\x08\x12\x07pytorch\x1a\x052.1.0:', 'an ONNX model. Give the checkpoint'),
        (b'{"state_dict": {}}', 'a JSON file'),
        (b'\x1f\x8b\x08\x08', r'a packed file \(gzip\). Unpack it'),
        (b'notes.txt'.ljust(257, b'\0') + b'ustar\x0000', r'a packed file \(tar\)'),
        (bytes(600), 'a file of zeros. Download'),
        (b"_base_ = ['base.py']\n", 'a text file that starts with .*_base_ = '),
        ('Gewichte für SGN'.encode() * 40, 'a text file'),
        (pickle.dumps({'a': 1}), 'a pickle that torch.save did not write'),
        (b'\x07\x01\xfe\xff', r"a file that starts with b'.x07"),
    ],
)
def test_files_of_another_kind_are_named(tmp_path, content, found):
    (tmp_path / 'other.pth').write_bytes(content)
    with pytest.raises(DataError, match=found):
        load_checkpoint_file(tmp_path / 'other.pth')


def an_ordinary_checkpoint() -> dict:
    weight = torch.arange(12.0).reshape(3, 4)
    return dict(
        state_dict={'weight': weight, 'mask': weight > 3, 'count': torch.tensor(3)},
        meta=dict(epoch=3, loss=np.float64(0.5), history=np.arange(4)),
    )


FUZZ = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@FUZZ
@given(data=st.data(), legacy=st.booleans())
def test_damaged_files_end_in_one_kind_of_error(data, legacy):
    """Bytes of the pickle (behind the checksum) and of the whole file are changed, lost, added."""
    content = io.BytesIO()
    torch.save(an_ordinary_checkpoint(), content, _use_new_zipfile_serialization=not legacy)
    whole = content.getvalue()
    if not legacy and data.draw(st.booleans(), 'only the pickle'):
        with zipfile.ZipFile(io.BytesIO(whole)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        (pickle_name,) = [name for name in members if name.endswith('data.pkl')]
        members[pickle_name] = damaged(data, members[pickle_name])
        content = io.BytesIO()
        with zipfile.ZipFile(content, 'w') as archive:
            for name, member in members.items():
                archive.writestr(name, member)
        whole = content.getvalue()
    else:
        whole = damaged(data, whole)
    try:
        read_torch_file(io.BytesIO(whole))
    except DataError as error:
        assert len(str(error)) < 400


def damaged(data, content: bytes) -> bytes:
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, max(len(content) - 1, 0)))
        length = data.draw(st.sampled_from([0, 1, 1, 1, 8]))
        content = content[:place] + data.draw(st.binary(max_size=4)) + content[place + length :]
    return content


SNIPPETS = [
    b'N', b'\x88', b'}', b']', b')', b'(', b't', b'\x85', b'\x86', b'a', b'e', b's', b'u', b'b',
    b'R', b'\x81', b'Q', b'K\x01', b'J\xff\xff\xff\xff', b'q\x00', b'h\x00', b'G' + bytes(8),
    b'X\x01\x00\x00\x000', b'X\x02\x00\x00\x00f8', b'X\x06\x00\x00\x00latin1',
    b'ctorch\nFloatStorage\n', b'ctorch\nfloat32\n', b'ctorch\nSize\n',
    b'ctorch._utils\n_rebuild_tensor_v2\n', b'ctorch._tensor\n_rebuild_from_type_v2\n',
    b'ctorch.nn.parameter\nParameter\n', b'ccollections\nOrderedDict\n', b'c_codecs\nencode\n',
    b'cnumpy\ndtype\n', b'cnumpy\nndarray\n', b'cnumpy.core.multiarray\n_reconstruct\n',
    b'cnumpy.core.multiarray\nscalar\n', TENSOR[2:], ARRAY[2:],
]  # fmt: skip


@FUZZ
@given(parts=st.lists(st.sampled_from(SNIPPETS), max_size=40))
def test_programs_made_of_allowed_parts_give_plain_values_or_an_error(tmp_path, parts):
    path = write_archive(
        tmp_path / 'random.pth', b'\x80\x02' + b''.join(parts) + b'.', {'0': bytes(16)}
    )
    try:
        content = load_checkpoint_file(path)
    except DataError as error:
        assert len(str(error)) < 400
    else:
        pickle.dumps(content)  # Goes through all of it.


def test_the_unpickler_imports_nothing():
    with pytest.raises(pickle.UnpicklingError, match='antigravity.x is not allowed'):
        RestrictedUnpickler({}).load(io.BytesIO(b'\x80\x02cantigravity\nx\n.'))
    assert 'antigravity' not in sys.modules
