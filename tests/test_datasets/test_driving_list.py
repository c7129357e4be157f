import json

import numpy as np
import pytest
from damage import damaged
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmssc.datasets.driving_list import read_driving_list, write_driving_list
from mmssc.errors import DataError
from mmssc.structures import VoxelGrid

in_folder = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def test_round_trip(tmp_path, info):
    write_driving_list(tmp_path / 'a.json', info)
    read = read_driving_list(tmp_path / 'a.json')
    assert read['metainfo'] == info['metainfo']
    assert isinstance(read['metainfo']['voxel_grid'], VoxelGrid)
    assert read['data_list'] == info['data_list']
    for key, value in info['sequences']['08'].items():
        np.testing.assert_array_equal(read['sequences']['08'][key], value)
    write_driving_list(tmp_path / 'b.json', read)
    assert (tmp_path / 'a.json').read_bytes() == (tmp_path / 'b.json').read_bytes()


def test_optional_entries(tmp_path, info):
    sequence = info['sequences']['08']
    sequence['pose_indices'] = np.arange(0, 16, 2)
    sequence['P3'] = sequence['P2']
    write_driving_list(tmp_path / 'a.json', info)
    read = read_driving_list(tmp_path / 'a.json')['sequences']['08']
    assert read['pose_indices'].tolist() == list(range(0, 16, 2))
    assert read['pose_indices'].dtype == np.int64
    np.testing.assert_array_equal(read['P3'], sequence['P2'])


def test_no_poses(tmp_path, info):
    info['sequences']['08']['poses'] = []
    write_driving_list(tmp_path / 'a.json', info)
    assert read_driving_list(tmp_path / 'a.json')['sequences']['08']['poses'].shape == (0, 4, 4)


def set_value(content, path, value):
    *parents, last = path
    for key in parents:
        content = content[key]
    content[last] = value


@pytest.mark.parametrize(
    ('path', 'value', 'message'),
    [
        (('metainfo',), [], 'metainfo'),
        (('metainfo', 'format_version'), 2, 'format_version: expected 1, found 2'),
        (('metainfo', 'format_version'), True, 'format_version'),
        (('metainfo', 'dataset'), None, 'dataset'),
        (('metainfo', 'voxel_grid'), {'origin': [0, 0, 0]}, 'voxel_grid'),
        (('metainfo', 'voxel_grid', 'shape'), [16, 16, 0], 'positive'),
        (('metainfo', 'voxel_grid', 'shape'), ['a', 16, 2], 'voxel_grid'),
        (('sequences',), {}, 'a key of "sequences"'),
        (('sequences', '../up'), {}, 'plain folder names'),
        (('sequences', '08'), 3, 'an object'),
        (('sequences', '08', 'P2'), [[1, 2], [3]], r'P2: expected 3 x 4 numbers'),
        (('sequences', '08', 'P2', 0, 0), -700, 'focal'),
        (('sequences', '08', 'P2', 0, 0), 'x', '3 x 4 numbers'),
        (('sequences', '08', 'lidar2cam', 0, 1), -3, 'a rotation'),
        (('sequences', '08', 'lidar2cam', 3, 0), 1, 'last row'),
        (('sequences', '08', 'poses', 2, 5), 9, 'entry 2'),
        (('sequences', '08', 'poses', 2), [1, 2], 'N x 12 numbers'),
        (('sequences', '08', 'poses'), 'none', 'poses'),
        (('sequences', '08', 'pose_indices'), [0, 1], '8 rising'),
        (('sequences', '08', 'pose_indices'), [0, 1, 2, 2, 4, 5, 6, 7], '8 rising'),
        (('sequences', '08', 'pose_indices'), [0, 1, 2, 2.5, 4, 5, 6, 7], '8 rising'),
        (('data_list',), {}, 'data_list'),
        (('data_list', 1), 'frame', r'data_list\[1\]'),
        (('data_list', 1, 'sequence'), '99', r'data_list\[1\].sequence'),
        (('data_list', 1, 'frame_id'), '../../a', 'digits'),
        (('data_list', 1, 'frame_id'), 5, 'frame_id'),
        (('data_list', 1, 'labelled'), 1, 'labelled'),
        (('data_list', 1, 'frame_id'), '000005', 'every frame once, found 08/000005'),
    ],
)  # fmt: skip
def test_wrong_values_are_named(tmp_path, info_text, path, value, message):
    content = json.loads(info_text)
    set_value(content, path, value)
    (tmp_path / 'a.json').write_text(json.dumps(content))
    with pytest.raises(DataError, match=message) as caught:
        read_driving_list(tmp_path / 'a.json', hint='Run: make')
    assert str(tmp_path / 'a.json') in str(caught.value)
    assert str(caught.value).endswith('Run: make')
    with pytest.raises(DataError, match=message):
        write_driving_list(tmp_path / 'b.json', content)
    assert not (tmp_path / 'b.json').exists()


@given(data=st.data())
@in_folder
def test_damaged_files(tmp_path, info_text, data):
    path = tmp_path / 'a.json'
    path.write_bytes(data.draw(damaged(info_text.encode())))
    try:
        read = read_driving_list(path)
    except DataError as error:
        assert str(path) in str(error)
        return
    for sequence in read['sequences'].values():
        assert all(np.isfinite(value).all() for value in sequence.values())
    assert all(sample['sequence'] in read['sequences'] for sample in read['data_list'])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(data=st.data())
@in_folder
def test_any_json_value_anywhere(tmp_path, info_text, data):
    content = json.loads(info_text)
    node, path = content, []
    while isinstance(node, (dict, list)) and node and (not path or data.draw(st.booleans())):
        path.append(
            data.draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
        )
        node = node[path[-1]]
    set_value(content, path, data.draw(json_values))
    (tmp_path / 'a.json').write_text(json.dumps(content))
    try:
        read = read_driving_list(tmp_path / 'a.json')
    except DataError:
        return
    assert read['metainfo']['format_version'] == 1


def test_no_recursion_error(tmp_path):
    (tmp_path / 'a.json').write_text('[' * 100_000)
    with pytest.raises(DataError, match='JSON'):
        read_driving_list(tmp_path / 'a.json')
