"""Every reader gives a right value of a damaged file, or a DataError, in little time and memory."""

from __future__ import annotations

import importlib
import os
import pkgutil
import resource
import time
import warnings

import pytest
from damage import damaged, damaged_member
from hypothesis import HealthCheck, given, settings
from reader_table import READERS

from mmssc import formats
from mmssc.errors import DataError

#: Seconds of the processor and MiB for a file of a few kilobytes.
MOST_SECONDS, MOST_MEMORY = 3, 400


def test_no_reader_is_left_out():
    exported = set()
    for module in pkgutil.iter_modules(formats.__path__):
        names = getattr(importlib.import_module(f'{formats.__name__}.{module.name}'), '__all__', ())
        exported |= {name for name in names if name.startswith(('read_', 'has_'))}
    assert exported <= {name.partition('.')[0] for name in READERS}


@pytest.mark.parametrize('name', READERS)
def test_a_valid_file_is_read(tmp_path, name):
    reader = READERS[name]
    reader.write(tmp_path / reader.name)
    assert reader.check(reader.read(tmp_path / reader.name))


@pytest.mark.parametrize('name', READERS)
def test_damaged_files_are_read_or_refused(tmp_path, name):
    fuzz(name, tmp_path, 50)


@pytest.mark.slow
@pytest.mark.parametrize('name', READERS)
def test_very_many_damaged_files_are_read_or_refused(tmp_path, name):
    fuzz(name, tmp_path, 3000)


def fuzz(name, folder, examples):
    reader = READERS[name]
    path = folder / reader.name
    reader.write(path)
    valid = path.read_bytes()
    contents = damaged(valid)
    if valid.startswith(b'PK'):
        contents = damaged_member(valid) | contents

    @settings(
        max_examples=examples, derandomize=True, database=None, deadline=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(content=contents)
    def check(content):
        # A new file: a reader may keep the one that it has read before open.
        path.unlink()
        path.write_bytes(content)
        start, before = time.process_time(), peak()
        # A warning about a cast or an overflow says nothing to a user.
        with warnings.catch_warnings():
            warnings.simplefilter('error', RuntimeWarning)
            try:
                value = reader.read(path)
            except DataError as error:
                assert len(str(error)) < 10_000
            else:
                assert reader.check(value)
        assert time.process_time() - start < MOST_SECONDS
        assert peak() - before < MOST_MEMORY

    check()


def peak():
    """The most memory that this process has taken so far, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@pytest.mark.parametrize('name', READERS)
def test_pipes_and_devices_are_refused(tmp_path, impatient, name):
    reader = READERS[name]
    path = tmp_path / reader.name
    os.mkfifo(path)
    refuses(reader, path)
    path.unlink()
    path.symlink_to('/dev/zero')
    refuses(reader, path)


@pytest.mark.parametrize('name', READERS)
def test_a_sparse_file_of_terabytes_is_refused(tmp_path, impatient, name):
    reader = READERS[name]
    path = tmp_path / reader.name
    reader.write(path)
    try:
        os.truncate(path, 4 * 2**40)
    except OSError:
        pytest.skip('a file system without large files')
    before = peak()
    # The size is of no interest to what reads the start and the end.
    if name not in ('read_ends', 'read_image_shape'):
        refuses(reader, path)
    assert peak() - before < MOST_MEMORY


def refuses(reader, path):
    """An error, or the same as for a missing file."""
    try:
        assert reader.read(path) in (None, False)
    except DataError as error:
        assert path.name in str(error) or str(path.parent) in str(error)
