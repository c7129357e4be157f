"""CarlaSC: lists of frames, labels, and files that do not fit."""

from __future__ import annotations

import json

import numpy as np
import pytest
from mmengine.registry import init_default_scope
from tiny_lidar import write_carla_scene

from mmssc.datasets import CarlaSCDataset
from mmssc.errors import DataError
from mmssc.formats.carla_sc import read_raw_ids, read_ray_counts
from mmssc.registry import DATASETS

PIPELINE = [
    dict(type='LoadScanOccupancy', source='scan'),
    dict(type='LoadCarlaSCLabels', optional=True),
    dict(type='PackSSCInputs'),
]


def build(root, **options):
    init_default_scope('mmssc')
    return DATASETS.build(
        dict(type='CarlaSCDataset', data_root=str(root), pipeline=PIPELINE, **options)
    )


def test_items_in_order(tmp_path):
    write_carla_scene(tmp_path, scene='Town07_Light')
    write_carla_scene(tmp_path, scene='Town01_Heavy', frames=3)
    write_carla_scene(tmp_path, 'Val')
    names = [(item['sequence'], item['frame_id']) for item in map(build(tmp_path).get_data_info,
                                                                   range(4))]  # fmt: skip
    assert names == [
        ('Town01_Heavy', '000000'), ('Town01_Heavy', '000001'),
        ('Town07_Light', '000000'), ('Town07_Light', '000001'),
    ]  # fmt: skip
    whole = build(tmp_path, labelled_only=False)
    assert len(whole) == 5 and 'label_paths' not in whole.get_data_info(2)
    assert not hasattr(whole[2]['data_samples'], 'gt_voxels')
    assert len(build(tmp_path, split='Val')) == 2


def test_a_sample(tmp_path):
    folder = write_carla_scene(tmp_path)
    item = build(tmp_path)[1]
    occupancy, sample = item['inputs']['occupancy'], item['data_samples']
    assert occupancy.shape == (128, 128, 8) and 1000 < int(occupancy.sum()) <= 2000
    assert sample.voxel_grid.is_left_handed and sample.voxel_grid.voxel_size == (0.4, 0.4, 0.375)
    ids = read_raw_ids(folder / 'evaluation/000001.label', (128, 128, 8))
    counts = read_ray_counts(folder / 'evaluation/000001.bin', (128, 128, 8))
    labels = sample.gt_voxels.numpy()
    assert ((labels == 255) == (counts == 0)).all()
    learning_map = CarlaSCDataset.METAINFO['learning_map']
    for raw_id in np.unique(ids):
        found = np.unique(labels[(ids == raw_id) & (counts > 0)])
        assert found.tolist() == [learning_map[raw_id]]


def change(folder, what):
    labels = folder / 'evaluation'
    if what == 'no scan':
        (folder / 'velodyne/000001.bin').unlink()
    elif what == 'no counts':
        (labels / '000001.bin').unlink()
    elif what == 'no ids':
        (labels / '000001.label').unlink()
    elif what == 'another grid':
        params = json.loads((labels / 'params.json').read_text())
        (labels / 'params.json').write_text(json.dumps({**params, 'max_bound': [25.6, 25.6, 2]}))
    else:
        (labels / 'params.json').write_text(what)


@pytest.mark.parametrize(
    ('what', 'message'),
    [
        ('no scan', 'the scan of a labelled frame'),
        ('no counts', r'evaluation/000001\.bin: file: expected both label files'),
        ('no ids', r'evaluation/000001\.label: file: expected both label files'),
        ('another grid', r'params\.json: max_bound'),
        ('[1]', r'params\.json: .*grid_size'),
        ('{"grid_size": ["a", 1, 2]}', r'params\.json: grid_size'),
        ('{', r'params\.json'),
    ],
)
def test_files_that_do_not_fit_are_named(tmp_path, what, message):
    folder = write_carla_scene(tmp_path)
    change(folder, what)
    with pytest.raises(DataError, match=message):
        build(tmp_path)


def test_other_folders_are_refused(tmp_path):
    with pytest.raises(DataError, match='no such folder.*Give data_root'):
        build(tmp_path)
    (tmp_path / 'Cartesian/Train').mkdir(parents=True)
    with pytest.raises(DataError, match=r'SCENE/cartesian/velodyne/FFFFFF\.bin'):
        build(tmp_path)
    with pytest.raises(DataError, match='CarlaSCDataset.split'):
        build(tmp_path, split='train')


def test_labels_are_optional_only_on_request(tmp_path):
    write_carla_scene(tmp_path, labels=1)
    pipeline = [dict(type='LoadCarlaSCLabels'), dict(type='PackSSCInputs')]
    dataset = build(tmp_path, labelled_only=False)
    strict = DATASETS.build(
        dict(type='CarlaSCDataset', data_root=str(tmp_path), labelled_only=False,
             pipeline=pipeline, test_mode=True)
    )  # fmt: skip
    assert dataset[1]['data_samples'].get('gt_voxels') is None
    with pytest.raises(DataError, match=r'LoadCarlaSCLabels\(optional=True\)'):
        strict[1]
