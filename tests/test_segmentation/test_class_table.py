"""The table of classes: every class of the four data sets has a row, and names decide."""

from __future__ import annotations

import json
import re
from pathlib import Path

import mmseg.datasets
import numpy as np
import pytest

from mmssc.dataset_facts import SEGMENT_NAMES
from mmssc.errors import DataError
from mmssc.segmentation import CLASS_TABLE, read_class_table, segment_ids

ROOT = Path(__file__).resolve().parents[2]
# NYU's 40 classes and NYU's own table of 13 for them.
NYU_40 = (
    'wall', 'floor', 'cabinet', 'bed', 'chair', 'sofa', 'table', 'door', 'window', 'bookshelf',
    'picture', 'counter', 'blinds', 'desk', 'shelves', 'curtain', 'dresser', 'pillow', 'mirror',
    'floor mat', 'clothes', 'ceiling', 'books', 'refrigerator', 'television', 'paper', 'towel',
    'shower curtain', 'box', 'whiteboard', 'person', 'night stand', 'toilet', 'sink', 'lamp',
    'bathtub', 'bag', 'otherstructure', 'otherfurniture', 'otherprop',
)  # fmt: skip
NYU_13 = [
    12, 5, 6, 1, 4, 9, 10, 12, 13, 6, 8, 6, 13, 10, 6, 13, 6, 7, 7, 5, 7, 3, 2, 6, 11, 7, 7, 7, 7,
    7, 7, 6, 7, 7, 7, 7, 7, 7, 6, 7,
]  # fmt: skip
SUN_37 = (
    'wall', 'floor', 'cabinet', 'bed', 'chair', 'sofa', 'table', 'door', 'window', 'bookshelf',
    'picture', 'counter', 'blinds', 'desk', 'shelves', 'curtain', 'dresser', 'pillow', 'mirror',
    'floor_mat', 'clothes', 'ceiling', 'books', 'fridge', 'tv', 'paper', 'towel', 'shower_curtain',
    'box', 'whiteboard', 'person', 'night_stand', 'toilet', 'sink', 'lamp', 'bathtub', 'bag',
)  # fmt: skip


def test_the_classes_of_nyu_are_as_in_its_own_table():
    assert segment_ids(NYU_40, 'NYU').tolist() == NYU_13
    assert segment_ids(SUN_37, 'SUN RGB-D').tolist() == NYU_13[:37]
    assert segment_ids(SEGMENT_NAMES, 'seg13').tolist() == list(range(14))


@pytest.mark.parametrize(('name', 'count'), [('ADE20KDataset', 150), ('COCOStuffDataset', 171)])
def test_every_class_of_the_large_data_sets_has_a_row(name, count):
    classes = getattr(mmseg.datasets, name).METAINFO['classes']
    ids = segment_ids(classes, name)
    assert len(classes) == count and ids.dtype == np.uint8
    # COCO-Stuff has no pictures.
    missing = {8} if name == 'COCOStuffDataset' else set()
    assert {*ids.tolist()} == {*range(14)} - missing


def test_spelling_does_not_matter_but_a_name_is_needed():
    assert segment_ids(['Night_Stand', ' bed ', 'wall-tile'], 'x').tolist() == [6, 1, 12]
    with pytest.raises(DataError, match='model.pth: classes: .*none for quay. Give rows .*"quay"'):
        segment_ids(['bed', 'quay'], 'model.pth')
    with pytest.raises(DataError, match='none for a1, a2, a3, a4, a5 and 1 more'):
        segment_ids([f'a{n}' for n in range(1, 7)], 'model.pth')


def test_rows_of_the_user(tmp_path):
    path = tmp_path / 'rows.json'
    path.write_text(json.dumps({'Quay': 'floor', 'lamp': 'tv'}))
    assert segment_ids(['quay', 'lamp'], 'x', read_class_table(path)).tolist() == [5, 11]
    with pytest.raises(DataError, match='table of classes: quay: .*found flor. Did you mean floor'):
        segment_ids(['bed'], 'x', dict(quay='flor'))
    for text in ('[]', '{"a": 1}'):
        path.write_text(text)
        with pytest.raises(DataError, match='rows.json: content: expected a JSON object of texts'):
            read_class_table(path)


def test_the_page_shows_the_table():
    page = (ROOT / 'docs/en/user_guides/segmentation.md').read_text(encoding='utf-8')
    rows = re.findall(r'^\| \d+ \| ([a-z]+) \| (.+) \|$', page, re.M)
    shown = {one: segment for segment, names in rows for one in names.split(', ')}
    assert shown == dict(CLASS_TABLE)
