"""The shipped data configs run on a tree of the official sizes."""

from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope
from PIL import Image

from mmssc.datasets import SemanticKITTIDataset, SSCBenchKITTI360Dataset
from mmssc.datasets.driving_list import write_driving_list
from mmssc.formats.kitti import write_velodyne, write_voxel_labels
from mmssc.formats.matrices import to_homogeneous
from mmssc.registry import DATASETS

CONFIGS = Path(__file__).resolve().parents[2] / 'configs' / '_base_' / 'datasets'
CASES = {
    'semantic_kitti': (SemanticKITTIDataset, 'semantickitti', '08', (376, 1241)),
    'sscbench_kitti360': (
        SSCBenchKITTI360Dataset, 'sscbench_kitti360', '2013_05_28_drive_0006_sync', (376, 1408)
    ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def scope():
    with DefaultScope.overwrite_default_scope('mmssc'):
        yield


def write_tree(root, dataset, prefix, sequence, image_size):
    """One labelled frame, without the pooled labels."""
    info = {
        'metainfo': {
            'dataset': dataset.METAINFO['dataset'], 'split': 'val', 'format_version': 1,
            'voxel_grid': dataset.METAINFO['voxel_grid'],
        },
        'sequences': {
            sequence: {
                'P2': [[700, 0, 600, 0], [0, 700, 180, 0], [0, 0, 1, 0]],
                'lidar2cam': to_homogeneous([[0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0]]),
                'poses': [[1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0]],
            }
        },
        'data_list': [{'sequence': sequence, 'frame_id': '000000', 'labelled': True}],
    }  # fmt: skip
    for split in ('train', 'val', 'test'):
        write_driving_list(root / f'{prefix}_infos_{split}.json', info)
    folders = {key: root / folder for key, folder in dataset.DATA_PREFIX.items()}
    image = folders['sequences'] / dataset.IMAGE_PATH.format(sequence=sequence, frame_id='000000')
    image.parent.mkdir(parents=True)
    Image.new('RGB', image_size[::-1], (1, 2, 3)).save(image)
    points = np.array([[5.0, 0, 0], [60, 0, 0], [7, 1, 1]], np.float32)
    write_velodyne(folders['pseudo_lidar'] / sequence / '000000.bin', points)
    labels = np.zeros((256, 256, 32), np.uint8)
    labels[10, 20, 4] = 3
    write_voxel_labels(folders['labels'] / sequence / '000000_1_1.npy', labels)


@pytest.mark.parametrize('name', CASES)
def test_config_runs(tmp_path, name):
    dataset_type, prefix, sequence, image_size = CASES[name]
    write_tree(tmp_path, dataset_type, prefix, sequence, image_size)
    cfg = Config.fromfile(CONFIGS / f'{name}.py')
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        assert loader.dataset.data_root == cfg.data_root == f'data/{prefix}'
        loader.dataset.data_root = str(tmp_path)
        dataset = DATASETS.build(loader.dataset)
        assert isinstance(dataset, dataset_type) and len(dataset) == 1
        if loader is cfg.train_dataloader and name == 'semantic_kitti':
            dataset.pipeline.transforms[3].pool_missing = True
        packed = dataset[0]
        assert packed['inputs']['img'].shape == (1, 3, *cfg.image_size)
        assert packed['inputs']['points'].tolist() == [[5, 0, 0], [7, 1, 1]]
        sample = packed['data_samples']
        assert sample.gt_voxels.shape == (256, 256, 32)
        assert int(sample.gt_voxels.sum()) == 3
        if loader is cfg.train_dataloader:
            assert sample.gt_voxels_1_2[5, 10, 2] == 3
