"""Scans of the lidar with their reflectance."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mmengine.dataset import pseudo_collate

from mmssc.datasets import SemanticKITTIDataset
from mmssc.datasets.transforms import LoadDrivingPoints, PackSSCInputs
from mmssc.errors import DataError
from mmssc.formats.kitti import read_scan, write_velodyne
from mmssc.models.data_preprocessors import SSCDataPreprocessor


@pytest.fixture
def scans(tree: Path) -> Path:
    """The tree with a scan of every frame of 08; frame f has 20 + f points."""
    random = np.random.default_rng(0)
    for frame in range(8):
        points = random.uniform([-5, -30, -3, 0], [60, 30, 6, 1], (20 + frame, 4))
        path = tree / f'dataset/sequences/08/velodyne/{frame:06d}.bin'
        path.parent.mkdir(exist_ok=True)
        write_velodyne(path, points.astype(np.float32))
    return tree


def load(root: Path, number: int = 2, **options) -> dict:
    transform = LoadDrivingPoints(source='velodyne', **options)
    dataset = SemanticKITTIDataset(
        'semantickitti_infos_val.json', data_root=str(root), pipeline=[transform],
        frame_offsets=options.pop('frame_offsets', ()),
    )  # fmt: skip
    return dataset[number]


def test_points_and_reflectance_of_a_scan(scans):
    found = load(scans)
    stored = read_scan(scans / 'dataset/sequences/08/velodyne/000005.bin')
    assert np.array_equal(found['points'], stored[:, :3])
    assert np.array_equal(found['reflectance'], stored[:, 3])


def test_the_crop_keeps_points_and_reflectance_together(scans):
    whole, cropped = load(scans), load(scans, crop_to_grid=True)
    kept = [index for index, point in enumerate(whole['points']) if point in cropped['points']]
    assert 0 < len(kept) < len(whole['points'])
    assert np.array_equal(cropped['points'], whole['points'][kept])
    assert np.array_equal(cropped['reflectance'], whole['reflectance'][kept])


def test_both_are_packed_and_batched(scans):
    samples = [PackSSCInputs()(load(scans, number)) for number in (2, 3)]
    batch = SSCDataPreprocessor()(pseudo_collate(samples))['inputs']
    assert [len(values) for values in batch['reflectance']] == [25, 27]
    assert [points.shape for points in batch['points']] == [(25, 3), (27, 3)]


def test_a_scan_with_other_units_is_refused(scans):
    path = scans / 'dataset/sequences/08/velodyne/000005.bin'
    points = read_scan(path).copy()
    points[:, 3] *= 255
    write_velodyne(path, points)
    with pytest.raises(DataError, match='000005.bin: .*reflectance: expected numbers in 0..1'):
        load(scans)


def test_a_missing_scan_is_named_without_a_command_that_cannot_make_it(scans):
    (scans / 'dataset/sequences/08/velodyne/000005.bin').unlink()
    with pytest.raises(DataError) as caught:
        load(scans)
    assert 'velodyne/000005.bin' in str(caught.value)
    assert 'semantic_kitti.py' not in str(caught.value)


def test_the_sources_are_named():
    with pytest.raises(DataError, match="expected 'pseudo_lidar', 'depth' or 'velodyne'"):
        LoadDrivingPoints(source='lidar')
    assert LoadDrivingPoints().inputs == ('points',)
    assert LoadDrivingPoints(source='velodyne').inputs == ('points', 'reflectance')
