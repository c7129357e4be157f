"""SemanticKITTI (Behley et al., ICCV 2019), scene completion task."""

from __future__ import annotations

from mmssc.dataset_facts import DRIVING_GRID
from mmssc.registry import DATASETS

from .driving_dataset import DrivingDataset

__all__ = ['SemanticKITTIDataset']


@DATASETS.register_module()
class SemanticKITTIDataset(DrivingDataset):
    """SemanticKITTI scene completion, prepared by ``tools/dataset_converters/semantic_kitti.py``.

    ::

        data_root
        ├── dataset
        │   ├── sequences/SS/{calib.txt, poses.txt, image_2/FFFFFF.png, voxels/FFFFFF.*}   raw
        │   ├── labels/SS/FFFFFF_1_1.npy, FFFFFF_1_2.npy            uint8 or float, train ids
        │   ├── pseudo_lidar/SS/FFFFFF.bin                          float32 x y z 1
        │   └── depth/SS/FFFFFF.npy                                 float32 metres, 0 = none
        └── semantickitti_infos_{train,val,test}.json

    Items and arguments: :class:`DrivingDataset`. Classes, counts and ids are those of the
    benchmark; ``class_counts`` are the voxel counts of the training split (MonoScene, arXiv
    2112.00726).
    """

    METAINFO = dict(
        dataset='SemanticKITTI',
        classes=(
            'empty', 'car', 'bicycle', 'motorcycle', 'truck', 'other-vehicle', 'person',
            'bicyclist', 'motorcyclist', 'road', 'parking', 'sidewalk', 'other-ground', 'building',
            'fence', 'vegetation', 'trunk', 'terrain', 'pole', 'traffic-sign',
        ),
        palette=(
            (0, 0, 0), (100, 150, 245), (100, 230, 245), (30, 60, 150), (80, 30, 180),
            (100, 80, 250), (255, 30, 30), (255, 40, 200), (150, 30, 90), (255, 0, 255),
            (255, 150, 255), (75, 0, 75), (175, 0, 75), (255, 200, 0), (255, 120, 50),
            (0, 175, 0), (135, 60, 0), (150, 240, 80), (255, 240, 150), (255, 0, 0),
        ),
        class_counts=(
            5417730330, 15783539, 125136, 118809, 646799, 821951, 262978, 283696, 204750,
            61688703, 4502961, 44883650, 2269923, 56840218, 15719652, 158442623, 2061623,
            36970522, 1151988, 334146,
        ),
        learning_map={
            0: 0, 1: 0, 10: 1, 11: 2, 13: 5, 15: 3, 16: 5, 18: 4, 20: 5, 30: 6, 31: 7, 32: 8,
            40: 9, 44: 10, 48: 11, 49: 12, 50: 13, 51: 14, 52: 0, 60: 9, 70: 15, 71: 16, 72: 17,
            80: 18, 81: 19, 99: 0, 252: 1, 253: 7, 254: 6, 255: 8, 256: 5, 257: 5, 258: 4, 259: 5,
        },
        inverse_learning_map={
            0: 0, 1: 10, 2: 11, 3: 15, 4: 18, 5: 20, 6: 30, 7: 31, 8: 32, 9: 40, 10: 44, 11: 48,
            12: 49, 13: 50, 14: 51, 15: 70, 16: 71, 17: 72, 18: 80, 19: 81,
        },
        voxel_grid=DRIVING_GRID,
        sensor_height=1.73,
        ignore_index=255,
    )  # fmt: skip
    CONVERTER = 'tools/dataset_converters/semantic_kitti.py'
