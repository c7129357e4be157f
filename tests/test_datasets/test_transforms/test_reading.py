"""Reading transforms say which files they read, and read no others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mmcv.transforms import Compose, RandomApply, RandomChoice
from tiny_nyu import write_nyu_tree
from tiny_tree import GRID, IMAGE_SIZE

from mmssc.datasets import NYUDataset, SemanticKITTIDataset
from mmssc.datasets.transforms import (
    LoadDrivingDepth,
    LoadDrivingImages,
    LoadDrivingLabels,
    LoadDrivingMasks,
    LoadDrivingPoints,
    LoadRGBDFrame,
    LoadScanDepth,
    PackSSCInputs,
    ReadingTransform,
    SampleFile,
    reading_transforms,
)
from mmssc.errors import DataError
from mmssc.formats.kitti import write_velodyne, write_voxel_bits

DRIVING = {
    'images': (LoadDrivingImages(), ('img',), 3),
    'depth': (LoadDrivingDepth(), ('depth',), 3),
    'depth of scans': (LoadScanDepth(), ('depth',), 3),
    'points': (LoadDrivingPoints(), ('points',), 3),
    'points of depth': (LoadDrivingPoints(source='depth'), ('points',), 3),
    'labels': (LoadDrivingLabels(), (), 2),
    'pooled labels': (LoadDrivingLabels(scales=('1_2', '1_4'), pool_missing=True), (), 2),
    'masks': (LoadDrivingMasks(), (), 2),
}
RGBD_KEYS = ('img', 'segmentation', 'tsdf', 'pixel_to_voxel', 'gt_voxels', 'eval_masks')


def only(root: Path, kept: set[Path]) -> None:
    for path in root.rglob('*'):
        if path.is_file() and path not in kept:
            path.unlink()


def check_that_these_files_are_read(transform, item, root, count):
    files = [Path(file.path) for file in transform.files(item)]
    assert len(files) == count
    only(root, set(files))
    added = transform(dict(item))
    assert set(transform.inputs) <= set(added)
    files[-1].unlink()
    with pytest.raises(DataError, match=files[-1].name):
        transform(dict(item))


@pytest.mark.parametrize('case', DRIVING)
def test_driving_transforms_read_the_files_they_name(tree, case):
    dataset = SemanticKITTIDataset(
        'semantickitti_infos_val.json', data_root=str(tree), frame_offsets=(-3, 1), pipeline=[]
    )
    item = dataset.get_data_info(2)
    for path in item['voxel_paths'].values():
        write_voxel_bits(path, np.zeros(GRID.shape, bool))
    transform, inputs, count = DRIVING[case]
    assert transform.inputs == inputs and transform.data_kind == 'driving'
    if case == 'depth of scans':
        item['ori_shape'] = IMAGE_SIZE
        for frame in item['frames']:
            write_velodyne(frame['scan_path'], np.array([(10.0, 0, 0)]))
    if case == 'masks':
        item['gt_voxels'] = np.zeros(GRID.shape, np.uint8)
    check_that_these_files_are_read(transform, item, tree, count)


def test_rgbd_transforms_read_the_files_they_name(tmp_path):
    write_nyu_tree(tmp_path)
    dataset = NYUDataset('nyu_infos_train.json', data_root=str(tmp_path), pipeline=[])
    transform = LoadRGBDFrame(RGBD_KEYS, optional=('gt_sketch', 'tsdf_clean'))
    assert transform.inputs == RGBD_KEYS[:4] and transform.data_kind == 'rgbd'
    item = dataset.get_data_info(0)
    keys = {key for file in transform.files(item) for key in file.keys}
    assert keys == {
        'img', 'segmentation', 'tsdf', 'voxel_to_pixel', 'gt_voxels', 'label_weight', 'gt_sketch'
    }  # fmt: skip
    check_that_these_files_are_read(transform, item, tmp_path, 3)


def test_samples_without_labels(tree):
    dataset = SemanticKITTIDataset('semantickitti_infos_val.json', data_root=str(tree), pipeline=[])
    item = dataset.get_data_info(3)
    for kind in (LoadDrivingLabels, LoadDrivingMasks):
        assert kind(optional=True).files(item) == []
        with pytest.raises(DataError, match=rf'08/000007: labels: .*{kind.__name__}\(optional'):
            kind().files(item)


class ReadNumber(ReadingTransform):
    """Reads one file for two frames."""

    inputs = ('number',)

    def __init__(self):
        self.times_read = 0

    def read(self):
        self.times_read += 1
        return self.times_read

    def files(self, results):
        return [SampleFile('a.txt', 'text', self.read, ('number',)) for _ in range(2)]

    def transform(self, results):
        return self.add_arrays(results, dict(number=[n for _, n in self.read_files(results)]))


def test_a_file_that_occurs_again_is_read_once():
    assert ReadNumber()(dict(sequence='s', frame_id='0'))['number'] == [1, 1]


def test_wrappers_are_looked_into():
    one, two, three = ReadNumber(), ReadNumber(), ReadNumber()
    pipeline = Compose(
        [RandomApply([one], prob=0.5), RandomChoice([[two], [Compose([three])]]), PackSSCInputs()]
    )
    assert list(reading_transforms(pipeline)) == [one, two, three]
