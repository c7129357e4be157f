"""JSON files with a key that is given twice are refused by every reader."""

from __future__ import annotations

import json
import time

import pytest

from mmssc.datasets.driving_list import read_driving_list
from mmssc.datasets.rgbd_list import read_rgbd_list
from mmssc.errors import DataError
from mmssc.formats.json_fields import number_array, parse_json, read_json
from mmssc.preparation.folder_settings import RECIPE_NAME, read_recipe

TWICE = '{"a": {"b": [{"split": 1, "x": 0, "split": 2}]}}'
MESSAGE = "the key 'split' more than once in an object"


def test_a_key_that_is_given_twice_is_refused(tmp_path):
    with pytest.raises(ValueError, match=MESSAGE):
        parse_json(TWICE)
    path = tmp_path / RECIPE_NAME
    path.write_text(TWICE)
    readers = (read_json, read_driving_list, read_rgbd_list, lambda path: read_recipe(path.parent))
    for read in readers:
        with pytest.raises(DataError, match=MESSAGE) as caught:
            read(path)
        assert caught.value.file == str(path)


def test_an_info_file_with_two_values_of_a_field(tmp_path, info_text):
    path = tmp_path / 'twice.json'
    path.write_text(info_text.replace('"voxel_size":', '"voxel_size": 7.0, "voxel_size":', 1))
    with pytest.raises(DataError, match=r"twice.json: .*'voxel_size' more than once"):
        read_driving_list(path)


def test_tools_refuse_it(tmp_path, tool_in_process):
    (tmp_path / 'synthetic.json').write_text('{"settings": {}, "settings": {}, "sequences": []}')
    status, text = tool_in_process('dataset_converters/make_synthetic.py')('--out', tmp_path)
    assert status == 2 and 'synthetic.json: file: expected a record of this tool, found' in text
    assert "the key 'settings' more than once" in text
    (tmp_path / 'config.json').write_text('{"model": 1, "model": 2}')
    status, text = tool_in_process('misc/print_config.py')(tmp_path / 'config.json')
    assert status == 2 and 'config.json: expected a readable config, found ' in text
    assert "the key 'model' more than once" in text


def test_the_same_key_in_several_objects_is_fine():
    value = dict(a=[dict(k=1), dict(k=2)], k=dict(k=3))
    assert parse_json(json.dumps(value)) == value


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('[' * 100_000, 'values nested in more than 100 levels'),
        ('[' * 150 + ']' * 150, 'values nested in more than 100 levels'),
        ('{"a":' * 150 + '1' + '}' * 150, 'values nested in more than 100 levels'),
        ('9' * 10_000, 'a number of more than 4300 digits'),
        ('{"' + 'a' * 9000 + '": 1, "' + 'a' * 9000 + '": 1}', 'more than once in an object'),
    ],
)
def test_deep_and_long_values_are_refused(tmp_path, text, message):
    path = tmp_path / RECIPE_NAME
    path.write_text(text)
    readers = (read_json, read_driving_list, read_rgbd_list, lambda path: read_recipe(path.parent))
    for read in readers:
        with pytest.raises(DataError, match=message) as caught:
            read(path)
        assert len(str(caught.value)) < 500


def test_a_hundred_levels_are_read():
    assert parse_json('[' * 100 + ']' * 100)


def test_the_last_of_very_many_keys_twice():
    keys = [*range(200_000), 199_999]
    start = time.process_time()
    with pytest.raises(ValueError, match="the key '199999'"):
        parse_json('{' + ','.join(f'"{key}": 1' for key in keys) + '}')
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    ('value', 'message'),
    [
        # As an array of texts, this would take 40 GB.
        ([['x' * 1_000_000, *['y'] * 9999]], 'entries such as text'),
        ([[1, True]], 'entries such as true or false'),
        ([[1, '2']], 'entries such as text'),
        ([[1, None]], 'entries such as null'),
        ([[1, [2]]], 'entries such as a list'),
        ([[1], [2, 3]], 'shape'),
        ([[1, 10**400]], 'NaN or infinity'),
        ([[1, float('inf')]], 'NaN or infinity'),
    ],
)
def test_what_is_no_array_of_numbers(value, message):
    with pytest.raises(DataError, match=f'a.json: field: expected .*{message}'):
        number_array(value, (None, len(value[0])), 'a.json', 'field')


def test_an_array_of_numbers():
    found = number_array([[1, 2.5], [3, 4]], (None, 2), 'a.json', 'field')
    assert found.tolist() == [[1, 2.5], [3, 4]] and found.dtype == float
    assert number_array([], (None, 2), 'a.json', 'field').shape == (0, 2)
