"""Findings in files of a data set are said once."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from mmssc.errors import DataError
from mmssc.formats.depth_units import check_room_depth
from mmssc.formats.file_warnings import one_finding_of_depth, warn_of_file, warning_anew
from mmssc.formats.rgbd_format import FrameSpec
from mmssc.formats.rgbd_frame import read_frame_file
from mmssc.formats.sscnet import write_plain_depth_mm
from mmssc.structures import VoxelGrid

SECOND = 'the same finding as in {}; further files of the folder are not named'


def said(action) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        action()
    return [str(one.message) for one in caught]


def test_a_large_room_is_said_once_per_folder(tmp_path: Path):
    spec = FrameSpec(VoxelGrid((0, 0, 0), 0.08, (60, 36, 60)), (6, 8), 12)
    for folder in ('train', 'test'):
        for frame in range(3):
            (tmp_path / folder).mkdir(exist_ok=True)
            write_plain_depth_mm(tmp_path / f'{folder}/{frame}.png', np.full((6, 8), 7.2))

    def read(folder: str) -> list[str]:
        paths = sorted((tmp_path / folder).iterdir())
        return said(lambda: [read_frame_file(one, 'depth_mm', ['depth'], spec) for one in paths])

    first, second = read('train')
    assert 'train/0.png: depth: expected depth of a room' in first and 'not named' not in first
    assert second.endswith(f'train/1.png: {SECOND.format("0.png")}')
    assert read('train') == []
    assert len(read('test')) == 2


def test_other_findings_and_arrays_are_said(tmp_path: Path):
    (tmp_path / 'a').touch()

    def warn() -> None:
        warn_of_file(tmp_path / 'a', 'unit', 'first')
        warn_of_file(tmp_path / 'a', 'unit', 'again')
        warn_of_file(tmp_path / 'a', 'scale', 'second')

    assert [text.partition(': ')[2].split()[0] for text in said(warn)] == ['first', 'second']
    for _ in range(2):
        with pytest.warns(UserWarning, match='depth image: depth: expected depth of a room'):
            check_room_depth('depth image', np.full((6, 8), 7.2), {})


def test_each_call_warns_anew_and_calls_inside_share_their_warnings(tmp_path: Path):
    for name in 'abc':
        (tmp_path / name).touch()

    @warning_anew()
    def call(name: str) -> None:
        for _ in range(2):
            warn_of_file(tmp_path / name, 'unit', name)

    @warning_anew()
    def command() -> None:
        call('a')
        call('b')

    assert len(said(lambda: (call('a'), call('b'), call('a')))) == 3
    assert said(command)[1:] == [f'{tmp_path / "b"}: {SECOND.format("a")}']
    # The process has said nothing yet.
    assert len(said(lambda: (warn_of_file(tmp_path / 'c', 'unit', 'c'),))) == 1


def test_a_wrong_unit_is_said_once_per_file(tmp_path: Path):
    first, second = tmp_path / 'a/1.png', tmp_path / 'b/1.png'
    for path in (first, second):
        path.parent.mkdir()
        path.touch()

    @one_finding_of_depth()
    def check(fails: bool) -> None:
        warn_of_file(first, 'unit', 'too small')
        warn_of_file(first, 'ground', 'too high')
        warn_of_file(second, 'unit', 'too large')
        warn_of_file(second, 'turn', 'turned')
        if fails:
            raise DataError(first, 'depth', 'metres', 'another unit')

    def refused() -> None:
        with pytest.raises(DataError):
            check(True)

    others = ['turned', 'too large']
    assert [one.split(': ')[1].split(' (')[0] for one in said(refused)] == others
    # What an error has replaced is not said yet.
    assert [one.split(': ')[1].split(' (')[0] for one in said(lambda: check(False))] == [
        'too small'
    ]
