"""A data set of its own: boxes on a small square, seen by one camera."""

from __future__ import annotations

from mmssc.datasets import DrivingDataset
from mmssc.registry import DATASETS

__all__ = ['ToyScenesDataset']


@DATASETS.register_module()
class ToyScenesDataset(DrivingDataset):
    """Toy scenes, made by ``projects/example_project/make_toy_data.py``.

    A data set says what its classes are and where its images lie; reading, cropping, packing and
    scoring are inherited. The grid: 32 x 32 x 8 voxels along x, y, z, in the array order x, z, y.

    ::

        data_root
        ├── images/SCENE/FFFFFF.png               uint8 RGB
        ├── depth/SCENE/FFFFFF.npy                float32 metres, 0 = none
        ├── labels/SCENE/FFFFFF_1_1.npy           uint8 (32, 8, 32) train ids, 255 = ignore
        └── toy_infos_{train,val}.json
    """

    METAINFO = dict(
        dataset='ToyScenes',
        classes=('empty', 'ground', 'box', 'pillar', 'wall'),
        palette=((0, 0, 0), (110, 110, 110), (220, 60, 50), (240, 200, 60), (70, 110, 220)),
        voxel_grid=dict(
            origin=[0.0, -1.0, -3.2], voxel_size=[0.2] * 3, shape=[32, 8, 32], axes=['x', 'z', 'y']
        ),
        ignore_index=255,
    )
    DATA_PREFIX = dict(sequences='images', labels='labels', pseudo_lidar='', depth='depth')
    IMAGE_PATH = '{sequence}/{frame_id}.png'
    CONVERTER = 'projects/example_project/make_toy_data.py'
