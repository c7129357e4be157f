"""The info list of RGB-D frames, and the official split."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from damage import damaged
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_nyu import CAM2WORLD, make_list

from mmssc.datasets.nyu_split import official_split
from mmssc.datasets.rgbd_list import Frame, FrameFile, read_rgbd_list, write_rgbd_list
from mmssc.errors import DataError
from mmssc.formats.matrices import camera_matrix


@pytest.fixture
def content(tmp_path) -> dict:
    write_rgbd_list(tmp_path / 'list.json', make_list())
    return json.loads((tmp_path / 'list.json').read_text())


def test_round_trip(tmp_path):
    frames = [
        Frame('0003', frozenset(['shared/img', 'nyu/tsdf']), (1.0, 2.0, 3.0), CAM2WORLD),
        Frame('office-1_b'),
    ]
    written = make_list(frames)
    write_rgbd_list(tmp_path / 'list.json', written)
    read = read_rgbd_list(tmp_path / 'list.json')
    assert read == written
    assert np.array_equal(read.frames[0].cam2world, CAM2WORLD)
    assert read.grid_of(read.frames[0]).origin == (1.0, 2.0, 3.0)
    assert read.grid_of(read.frames[1]) == read.voxel_grid


def test_fine_factor_is_optional(tmp_path, content):
    path = tmp_path / 'list.json'
    written = replace(make_list(), fine_factor=2)
    write_rgbd_list(path, written)
    assert read_rgbd_list(path).fine_factor == 2
    del content['metainfo']['fine_factor']
    path.write_text(json.dumps(content))
    assert read_rgbd_list(path).fine_factor == 4


def test_template():
    assert FrameFile('a/{frame_id}/{frame_id}.npz', 'prepared').of('7') == 'a/7/7.npz'
    with pytest.raises(DataError, match=r"a path with \{frame_id\}, found 'seg.png'"):
        FrameFile('seg.png', 'ids')
    assert camera_matrix((1, 2, 3, 4)).tolist() == [[1, 0, 3], [0, 2, 4], [0, 0, 1]]


def set_entry(content: dict, path: str, value) -> None:
    *parents, last = [int(key) if key.isdigit() else key for key in path.split('.')]
    for key in parents:
        content = content[key]
    content[last] = value


@pytest.mark.parametrize(
    ('path', 'value', 'text'),
    [
        ('metainfo.format_version', 2, 'metainfo.format_version: expected 1, found 2'),
        ('metainfo.split', 3, 'metainfo.split'),
        ('metainfo.voxel_grid', {'shape': [1]}, 'metainfo.voxel_grid'),
        ('metainfo.image_size', [480], 'metainfo.image_size'),
        ('metainfo.image_size', [480, -1], 'metainfo.image_size'),
        ('metainfo.fine_factor', 0, 'metainfo.fine_factor: expected a positive number, found 0'),
        ('metainfo.fine_factor', '4', 'metainfo.fine_factor'),
        ('metainfo.cameras.nyu', [1, 2, 3], 'metainfo.cameras.nyu'),
        ('metainfo.cameras.nyu', [0, 2, 3, 4], 'metainfo.cameras.nyu'),
        ('metainfo.files.nyu', [], 'metainfo.files.nyu'),
        ('metainfo.files.nyu.tsdf', {'path': 'a'}, 'metainfo.files.nyu.tsdf.format'),
        ('metainfo.files.nyu.tsdf.format', 'zip', 'files.nyu.tsdf.format: .*torchssc_tsdf'),
        ('metainfo.files.nyu.tsdf.format', 'rgb', "files.nyu.tsdf.format.*found 'rgb'"),
        ('metainfo.files.nyu.tsdf.path', 'a.npz', r'a path with \{frame_id\}'),
        ('data_list', {}, 'data_list'),
        ('data_list.0', 3, r'data_list\[0\]'),
        ('data_list.0.frame_id', '../x', r'data_list\[0\].frame_id'),
        ('data_list.1.frame_id', '0003', 'every frame once, found 0003'),
        ('data_list.0.missing', 'img', r'data_list\[0\].missing'),
        ('data_list.0.origin', [1, 2], r'data_list\[0\].origin'),
        ('data_list.0.cam2world', [[1, 0, 0]], r'data_list\[0\].cam2world'),
        ('data_list.0.cam2world', (2 * CAM2WORLD).tolist(), r'data_list\[0\].cam2world'),
    ],
)
def test_wrong_entries_are_named(tmp_path, content, path, value, text):
    set_entry(content, path, value)
    file = tmp_path / 'wrong.json'
    file.write_text(json.dumps(content))
    with pytest.raises(DataError, match=f'wrong.json: .*{text}.*Do this'):
        read_rgbd_list(file, hint='Do this')


@given(st.data())
@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_damaged_lists_are_read_or_refused(tmp_path, data):
    write_rgbd_list(tmp_path / 'valid.json', make_list())
    path = tmp_path / 'bad.json'
    path.write_bytes(data.draw(damaged((tmp_path / 'valid.json').read_bytes())))
    try:
        read_rgbd_list(path)
    except DataError as error:
        assert str(path) in str(error)


def test_what_would_not_read_back_is_not_written(tmp_path):
    with pytest.raises(DataError, match='frame_id'):
        write_rgbd_list(tmp_path / 'list.json', make_list((Frame('a/b'),)))
    assert not list(tmp_path.iterdir())


def test_official_split():
    split = official_split()
    assert {name: len(frames) for name, frames in split.items()} == dict(train=795, test=654)
    everything = sorted(split['train'] + split['test'])
    assert everything == [f'{number:04d}' for number in range(1, 1450)]
    assert split['test'][:5] == ['0001', '0002', '0009', '0014', '0015']
    assert split['train'][:3] == ['0003', '0004', '0005'] and split['train'] == sorted(
        split['train']
    )
