"""CarlaSC (Wilson et al., arXiv 2203.07060): scans of a simulated car with complete labels."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from os.path import isfile, join
from typing import Any

import numpy as np

from mmssc.dataset_facts import CARLASC_GRID
from mmssc.errors import DataError
from mmssc.formats.json_fields import read_json
from mmssc.registry import DATASETS
from mmssc.structures import VoxelGrid

from .frame_choice import FrameChoiceDataset

__all__ = ['CarlaSCDataset']

_SPLITS = ('Train', 'Val', 'Test')
_FRAME = re.compile(r'(\d{1,18})\.(bin|label)')
_HINT = 'Give data_root the folder that holds Cartesian/Train, Cartesian/Val and Cartesian/Test'


@DATASETS.register_module()
class CarlaSCDataset(FrameChoiceDataset):
    """CarlaSC as downloaded: nothing has to be prepared.

    ::

        data_root/Cartesian/{Train,Val,Test}/SCENE/cartesian
        ├── velodyne/FFFFFF.bin                 float32 x y z 0
        └── evaluation
            ├── FFFFFF.label                    uint32 raw id per voxel, axes x, y, z
            ├── FFFFFF.bin                      float32 number of rays that saw the voxel
            └── params.json                     the grid

    The frame is that of CARLA's lidar: x forward, y to the **right**, z up, so left-handed. Arrays
    stay in the order of the files; the grid says ``frame='carla'``, and only pictures are mirrored.

    Each item before the pipeline holds ``sequence`` (the scene), ``frame_id``, ``sample_idx``,
    ``num_classes``, ``ignore_index``, ``voxel_grid``, ``frames`` (one dict with ``frame_id`` and
    ``scan_path``) and, if the frame has labels, ``label_paths`` (``ids`` and ``counts``). Frames
    are paired by name.

    Args:
        data_root: Folder with ``Cartesian``.
        split: ``'Train'``, ``'Val'`` or ``'Test'``.
        labelled_only: Leave out frames without labels; otherwise they are samples without labels.
        kwargs: Arguments of :class:`mmengine.dataset.BaseDataset`.

    Raises:
        DataError: There is no such split, it has no frame, a frame has labels but no scan or only
            one of its two label files, or ``params.json`` has another grid.
    """

    METAINFO: dict[str, Any] = dict(
        dataset='CarlaSC',
        sensor_height=1.8,
        classes=(
            'free', 'building', 'barrier', 'other', 'pedestrian', 'pole', 'road', 'ground',
            'sidewalk', 'vegetation', 'vehicle',
        ),
        palette=(
            (0, 0, 0), (70, 70, 70), (100, 40, 40), (55, 90, 80), (220, 20, 60), (153, 153, 153),
            (128, 64, 128), (81, 0, 81), (244, 35, 232), (107, 142, 35), (0, 0, 142),
        ),
        class_counts=(
            4166593275, 42309744, 33332681, 8179519, 905663, 3083923, 235769663, 87601245,
            112863867, 29816894, 13839655,
        ),
        learning_map={
            0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 6, 8: 8, 9: 9, 10: 10, 11: 2, 12: 5,
            13: 3, 14: 7, 15: 3, 16: 3, 17: 2, 18: 5, 19: 3, 20: 3, 21: 3, 22: 7,
        },
        voxel_grid=CARLASC_GRID,
        ignore_index=255,
    )  # fmt: skip

    def __init__(
        self, data_root: str, split: str = 'Train', labelled_only: bool = True, **kwargs: Any
    ) -> None:
        if split not in _SPLITS:
            expected = ', '.join(map(repr, _SPLITS))
            raise DataError('config', 'CarlaSCDataset.split', expected, repr(split))
        self.split, self.labelled_only = split, labelled_only
        super().__init__(data_root=data_root, **kwargs)

    @classmethod
    def train_labels(cls, raw: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Training labels of a volume.

        Args:
            raw: (X, Y, Z) raw ids 0..22.
            counts: (X, Y, Z) number of rays that saw the voxel.

        Returns:
            (X, Y, Z) uint8 classes, 255 where no ray was.
        """
        learning_map = cls.METAINFO['learning_map']
        table = np.array([learning_map[raw_id] for raw_id in range(len(learning_map))], np.uint8)
        return np.where(counts > 0, table[raw], np.uint8(cls.METAINFO['ignore_index']))

    def load_data_list(self) -> list[dict[str, Any]]:
        """List the frames of the split, sorted by scene and frame."""
        folder = join(self.data_root, 'Cartesian', self.split)
        scenes = _names(folder)
        grid = VoxelGrid.build(self._metainfo['voxel_grid'])
        items = [
            item
            for scene in scenes
            for item in self._scene_items(scene, join(folder, scene, 'cartesian'), grid)
        ]
        if not items:
            expected = (
                'SCENE/cartesian/velodyne/FFFFFF.bin, with labels in SCENE/cartesian/evaluation'
            )
            raise DataError(folder, 'frames', expected, 'none', _HINT)
        return items

    def _scene_items(self, scene: str, folder: str, grid: VoxelGrid) -> list[dict[str, Any]]:
        scans, labels = join(folder, 'velodyne'), join(folder, 'evaluation')
        frames = _frames(scans)['bin']
        found = _frames(labels) if os.path.isdir(labels) else dict(bin=set(), label=set())
        for kind, other in (('label', found['bin']), ('bin', found['label'])):
            missing = sorted((other & frames) - found[kind])
            if missing:
                path = join(labels, f'{missing[0]}.{kind}')
                raise DataError(path, 'file', 'both label files of a frame', 'only the other one',
                                f'Frames without it: {len(missing)}')  # fmt: skip
        without_scan = sorted(found['label'] - frames)
        if without_scan:
            path = join(scans, f'{without_scan[0]}.bin')
            raise DataError(path, 'file', 'the scan of a labelled frame', 'none',
                            f'Labelled frames without a scan: {len(without_scan)}')  # fmt: skip
        _check_grid(join(labels, 'params.json'), grid)
        if self.labelled_only:
            frames = frames & found['label']
        return [
            self._item(scene, folder, frame, frame in found['label'], grid)
            for frame in sorted(frames)
        ]

    def _item(
        self, scene: str, folder: str, frame: str, labelled: bool, grid: VoxelGrid
    ) -> dict[str, Any]:
        item: dict[str, Any] = dict(
            sequence=scene,
            frame_id=frame,
            num_classes=len(self._metainfo['classes']),
            ignore_index=self._metainfo['ignore_index'],
            voxel_grid=grid,
            frames=[dict(frame_id=frame, scan_path=join(folder, 'velodyne', f'{frame}.bin'))],
        )
        if labelled:
            stem = join(folder, 'evaluation', frame)
            item['label_paths'] = dict(ids=f'{stem}.label', counts=f'{stem}.bin')
        return item


def _names(folder: str) -> list[str]:
    try:
        return sorted(name for name in os.listdir(folder) if not name.startswith('.'))
    except OSError as error:
        raise DataError(folder, 'folder', 'a split of CarlaSC', 'no such folder', _HINT) from error


def _frames(folder: str) -> dict[str, set[str]]:
    """Frame names of a folder by suffix."""
    frames: dict[str, set[str]] = dict(bin=set(), label=set())
    for name in _names(folder):
        match = _FRAME.fullmatch(name)
        if match:
            frames[match[2]].add(match[1])
    return frames


def _check_grid(path: str, grid: VoxelGrid) -> None:
    """Refuse a scene whose labels have another grid; the file may be missing."""
    if not isfile(path):
        return
    params = read_json(path)
    if not isinstance(params, Mapping):
        raise DataError(path, None, 'a dict with grid_size, min_bound and max_bound', type(params))
    for key, expected in (
        ('grid_size', grid.shape), ('min_bound', grid.origin), ('max_bound', grid.upper),
    ):  # fmt: skip
        numbers = params.get(key)
        found = numbers if isinstance(numbers, list) and len(numbers) == 3 else []
        are_numbers = found and all(isinstance(number, (int, float)) for number in found)
        if not are_numbers or max(abs(a - b) for a, b in zip(found, expected)) > 1e-6:
            hint = 'mmssc reads the Cartesian labels, in their published grid'
            raise DataError(path, key, expected, numbers, hint)
