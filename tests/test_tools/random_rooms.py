"""Indoor samples with random contents, as a data set of any size."""

from __future__ import annotations

from typing import Any

from mmengine.dataset import BaseDataset

from mmssc.registry import DATASETS
from mmssc.structures import VoxelGrid
from mmssc.testing.random_rgbd_sample import random_rgbd_sample

GRID = dict(
    origin=(0, 0, 0), voxel_size=0.3, shape=(16, 12, 16), axes=('x', 'z', 'y'), frame='world'
)


@DATASETS.register_module()
class RandomRooms(BaseDataset):
    """``length`` samples; sample i is the same in every run.

    Args:
        keys: Inputs that the model reads.
    """

    METAINFO = dict(classes=('empty', 'floor', 'wall', 'chair', 'table'))

    def __init__(self, length: int, keys: tuple[str, ...], **kwargs: Any) -> None:
        self.length, self.keys = length, keys
        super().__init__(serialize_data=False, **kwargs)

    def load_data_list(self) -> list[dict]:
        return [dict(number=number) for number in range(self.length)]

    def prepare_data(self, idx: int) -> dict[str, Any]:
        num_classes = len(self.METAINFO['classes'])
        made = random_rgbd_sample(VoxelGrid.build(GRID), num_classes, (48, 64), 0.3, seed=idx)
        made['inputs'] = {key: made['inputs'][key] for key in self.keys}
        return made
