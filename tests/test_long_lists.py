"""Lists of many frames: what is read once, and what is made when it is needed."""

from __future__ import annotations

import json

import numpy as np
import pytest

from mmssc.datasets import NYUDataset, SemanticKITTIDataset
from mmssc.datasets.driving_list import read_driving_list
from mmssc.datasets.frame_ranges import describe_frames
from mmssc.datasets.rgbd_list import read_rgbd_list
from mmssc.errors import DataError
from mmssc.formats import json_fields
from mmssc.performance.lists import LIST_KINDS, measure_list, write_list


@pytest.fixture(params=LIST_KINDS)
def opened(request, tmp_path):
    """A data set of 40 frames, and its file."""
    path = tmp_path / 'list.json'
    write_list(request.param, 40, path)
    return LIST_KINDS[request.param][1](str(path)), path


def test_a_data_set_makes_an_item_when_it_is_read(opened, monkeypatch):
    dataset, path = opened
    made = []
    make_item = type(dataset).make_item
    monkeypatch.setattr(
        type(dataset), 'make_item', lambda self, record: made.append(1) or make_item(self, record)
    )
    again = type(dataset)(str(path))
    assert len(again) == 40 and not made
    item = again.get_data_info(-1)
    assert item['sample_idx'] == 39 and item['voxel_grid'].shape and len(made) == 1
    # A fiftieth of what an item takes.
    assert len(again.data_bytes) / 40 < 600


def test_items_do_not_share_arrays(opened):
    dataset, _ = opened
    for key, value in dataset.get_data_info(20).items():
        if isinstance(value, np.ndarray):
            value[:] = -1
            assert not (dataset.get_data_info(20)[key] == -1).all(), key


def test_a_subclass_can_make_whole_items():
    class Own(NYUDataset):
        def load_data_list(self):
            return [dict(frame_id='a', files={}, own=3)]

    assert Own('none.json').get_data_info(0) == dict(
        frame_id='a', files={}, own=3, sample_idx=0
    )  # fmt: skip


def test_a_long_list_is_no_larger_than_other_files_may_be(opened, monkeypatch):
    dataset, path = opened
    path.write_text(' ' * (json_fields.MAX_JSON_BYTES + 1) + path.read_text('utf-8'), 'utf-8')
    assert len(type(dataset)(str(path))) == 40
    with pytest.raises(DataError, match='size'):
        json_fields.read_json(path)
    monkeypatch.setattr(json_fields, '_MAX_CONTAINERS', 10)
    with pytest.raises(DataError, match='list.json: JSON: expected at most 10 lists and objects'):
        type(dataset)(str(path))


def test_the_frame_with_a_wrong_pose_is_named(tmp_path):
    path = tmp_path / 'list.json'
    for pose, message in (
        (np.diag([2.0, 2, 2, 1]).tolist(), 'a rotation'),
        (np.diag([1.0, 1, -1, 1]).tolist(), 'mirrors'),
        ([[1, 0], [0, 1]], '4 x 4 numbers'),
        ([[1, 0, 0, 'x'], *np.eye(4)[1:].tolist()], 'text'),
        ('pose', 'a list'),
        # z of the world is up, and so is the camera's y axis.
        ([[1, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 1.5], [0, 0, 0, 1]], 'upside down'),
    ):
        write_list('rgbd', 5, path)
        content = json.loads(path.read_text('utf-8'))
        content['data_list'][3]['cam2world'] = pose
        path.write_text(json.dumps(content), 'utf-8')
        with pytest.raises(DataError, match=rf'data_list\[3\].cam2world: .*{message}'):
            read_rgbd_list(path)


def test_a_drive_with_too_few_poses_is_refused_at_the_start(tmp_path):
    path = tmp_path / 'list.json'
    write_list('driving', 20, path)
    content = json.loads(path.read_text('utf-8'))
    del content['sequences']['00']['poses'][15:]
    path.write_text(json.dumps(content), 'utf-8')
    assert len(read_driving_list(path)['data_list']) == 20
    with pytest.raises(DataError, match='a pose of frame 15 for 00/000015, found 15 poses'):
        SemanticKITTIDataset(str(path), frame_offsets=(-3,))
    assert len(SemanticKITTIDataset(str(path))) == 20


def test_scattered_frames_are_described_in_one_pass():
    # One pass for each frame would take minutes.
    numbers = np.cumsum(np.arange(300_000)).tolist()
    text = describe_frames(str(number) for number in numbers)
    assert text.startswith('0, 1, 3, 6') and text.endswith('(299994 more)')


@pytest.mark.slow
@pytest.mark.parametrize('kind', LIST_KINDS)
def test_the_start_of_a_data_set_is_measured(kind):
    record = measure_list(kind, 30)
    assert record['frames'] == 30 and record['file_mib'] > 0
    assert record['start_seconds'] > 0 and 0 < record['item_seconds'] < 1
