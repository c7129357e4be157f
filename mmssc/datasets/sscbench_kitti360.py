"""SSCBench-KITTI-360 (Li et al., arXiv 2306.09001)."""

from __future__ import annotations

import numpy as np

from mmssc.dataset_facts import DRIVING_GRID
from mmssc.registry import DATASETS

from .driving_dataset import DrivingDataset

__all__ = ['SSCBenchKITTI360Dataset', 'kitti360_calibration']

# Camera 0 to the lidar and to the vehicle (IMU), and the rectified perspective camera of
# KITTI-360's calibration files: the same for every drive.
_CAM_TO_LIDAR = (
    (0.04307104361, -0.08829286498, 0.995162929, 0.8043914418),
    (-0.999004371, 0.007784614041, 0.04392796942, 0.2993489574),
    (-0.01162548558, -0.9960641394, -0.08786966659, -0.1770225824),
    (0.0, 0.0, 0.0, 1.0),
)
_CAM_TO_VEHICLE = (
    (0.0371783278, -0.0986182135, 0.9944306009, 1.5752681039),
    (0.9992675562, -0.0053553387, -0.0378902567, 0.0043914093),
    (0.0090621821, 0.9951109327, 0.0983468786, -0.65),
    (0.0, 0.0, 0.0, 1.0),
)
_PROJECTION = (
    (552.554261, 0.0, 682.049453, 0.0),
    (0.0, 552.554261, 238.769549, 0.0),
    (0.0, 0.0, 1.0, 0.0),
)


def kitti360_calibration() -> tuple[np.ndarray, np.ndarray]:
    """The calibration of every KITTI-360 drive.

    Returns:
        ``P2`` (3, 4), projection of the left rectified camera in pixels, and ``lidar2cam`` (4, 4),
        both float64.
    """
    return np.array(_PROJECTION), np.linalg.inv(np.array(_CAM_TO_LIDAR))


@DATASETS.register_module()
class SSCBenchKITTI360Dataset(DrivingDataset):
    """SSCBench-KITTI-360, prepared by ``tools/dataset_converters/sscbench_kitti360.py``.

    ::

        data_root
        ├── data_2d_raw/SEQ/{image_00/data_rect/FFFFFF.png, voxels/FFFFFF.*, poses.txt}    raw
        ├── preprocess
        │   ├── labels/SEQ/FFFFFF_1_1.npy, FFFFFF_1_2.npy           uint8 or float, train ids
        │   ├── pseudo_lidar/SEQ/FFFFFF.bin                         float32 x y z 1
        │   └── depth/SEQ/FFFFFF.npy                                float32 metres, 0 = none
        └── sscbench_kitti360_infos_{train,val,test}.json

    SEQ is ``2013_05_28_drive_00NN_sync``; frame numbers are those of SSCBench. Poses in the info
    file are vehicle (IMU) poses with their frame indices. Items and arguments:
    :class:`DrivingDataset`.
    """

    METAINFO = dict(
        dataset='SSCBenchKITTI360',
        classes=(
            'empty', 'car', 'bicycle', 'motorcycle', 'truck', 'other-vehicle', 'person', 'road',
            'parking', 'sidewalk', 'other-ground', 'building', 'fence', 'vegetation', 'terrain',
            'pole', 'traffic-sign', 'other-structure', 'other-object',
        ),
        palette=(
            (0, 0, 0), (100, 150, 245), (100, 230, 245), (30, 60, 150), (80, 30, 180),
            (100, 80, 250), (255, 30, 30), (255, 0, 255), (255, 150, 255), (75, 0, 75),
            (175, 0, 75), (255, 200, 0), (255, 120, 50), (0, 175, 0), (150, 240, 80),
            (255, 240, 150), (255, 0, 0), (255, 150, 0), (50, 255, 255),
        ),
        class_counts=(
            2264087502, 20098728, 104972, 96297, 1149426, 4051087, 125103, 105540713, 16292249,
            45297267, 14454132, 110397082, 6766219, 295883213, 50037503, 1561069, 406330,
            30516166, 1950115,
        ),
        learning_map={
            0: 0, 1: 0, 10: 1, 11: 2, 13: 5, 15: 3, 16: 5, 18: 4, 20: 5, 30: 6, 31: 0, 32: 0,
            40: 7, 44: 8, 48: 9, 49: 10, 50: 11, 51: 12, 52: 17, 60: 7, 70: 13, 71: 0, 72: 14,
            80: 15, 81: 16, 99: 18, 252: 1, 253: 0, 254: 6, 255: 0, 256: 5, 257: 5, 258: 4, 259: 5,
        },
        inverse_learning_map={
            0: 0, 1: 10, 2: 11, 3: 15, 4: 18, 5: 20, 6: 30, 7: 40, 8: 44, 9: 48, 10: 49, 11: 50,
            12: 51, 13: 70, 14: 72, 15: 80, 16: 81, 17: 52, 18: 99,
        },
        voxel_grid=DRIVING_GRID,
        sensor_height=1.73,
        ignore_index=255,
    )  # fmt: skip
    DATA_PREFIX = dict(
        sequences='data_2d_raw',
        labels='preprocess/labels',
        pseudo_lidar='preprocess/pseudo_lidar',
        depth='preprocess/depth',
    )
    IMAGE_PATH = '{sequence}/image_00/data_rect/{frame_id}.png'
    CONVERTER = 'tools/dataset_converters/sscbench_kitti360.py'
    INVALID_HIDES_LABELS = False

    @staticmethod
    def lidar_poses(poses: np.ndarray, lidar2cam: np.ndarray) -> np.ndarray:
        """Lidar poses (N, 4, 4) from vehicle poses (N, 4, 4), both to the world."""
        return poses @ np.array(_CAM_TO_VEHICLE) @ lidar2cam
