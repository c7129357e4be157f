"""Paths of the raw and derived files of a data set, its calibration and poses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from mmssc.dataset_facts import KITTI_360_SPLITS, SEMANTIC_KITTI_SPLITS
from mmssc.datasets.driving_dataset import DrivingDataset
from mmssc.datasets.semantic_kitti import SemanticKITTIDataset
from mmssc.datasets.sscbench_kitti360 import SSCBenchKITTI360Dataset, kitti360_calibration
from mmssc.errors import DataError
from mmssc.formats.ground_checks import DepthView
from mmssc.formats.images import other_image_suffix
from mmssc.formats.kitti import baseline_focal_of, read_calib, read_indexed_poses, read_poses
from mmssc.formats.matrices import to_homogeneous
from mmssc.structures import VoxelGrid

__all__ = [
    'KITTI360_BASELINE_FOCAL', 'SSCBenchKITTI360Layout', 'SemanticKITTILayout', 'DrivingLayout',
    'StereoCalibration',
]  # fmt: skip

#: Baseline (0.6 m) times focal length of KITTI-360, as used for the published depth maps, metres
#: times pixels. SSCBench has no calibration files.
KITTI360_BASELINE_FOCAL = 331.5325566


@dataclass(frozen=True)
class StereoCalibration:
    """Calibration of one sequence.

    Args:
        projection: (3, 4) float64 of the left camera, pixels.
        lidar2cam: (4, 4) float64, lidar to rectified camera frame, metres.
        right_projection: (3, 4) float64 of the right camera, None if there is none.
        baseline_focal: Baseline times focal length (metres times pixels), None without a right
            camera.
    """

    projection: np.ndarray
    lidar2cam: np.ndarray
    right_projection: np.ndarray | None
    baseline_focal: float | None


class DrivingLayout(ABC):
    """A data set of drives on disk.

    Args:
        root: Its root folder; raw and derived files are below it.

    Raises:
        DataError: There is no drive below ``root``.
    """

    dataset: ClassVar[type[DrivingDataset]]
    #: Official split: name -> sequences.
    splits: ClassVar[Mapping[str, Sequence[str]]]
    #: Name of the info files, without the split.
    info_prefix: ClassVar[str]
    #: Whether lines of ``poses.txt`` begin with the frame index.
    indexed_poses: ClassVar[bool] = False

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        if not self.sequences():
            wanted = f'images in {self.left_image("*", "*").parent}'
            wanted += f', or scans in {self.scan_file("*", "*").parent}'
            wanted += f' or {self.voxel_file("*", "*", ".bin").parent}'
            raise DataError(self.root, 'sequences', wanted, 'none')

    def _folder(self, kind: str) -> Path:
        return self.root / self.dataset.DATA_PREFIX[kind]

    def sequences(self) -> list[str]:
        """Names of the drives that have left images, sorted; without any image, those with scans.

        Methods that take scans need no images.
        """
        folder = self._folder('sequences')
        names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
        with_images = [name for name in names if self.has_images(name)]
        return sorted(with_images or filter(self.has_scans, names))

    def has_images(self, sequence: str) -> bool:
        """Whether a drive has a folder of left images."""
        return self.left_image(sequence, '*').parent.is_dir()

    def has_scans(self, sequence: str) -> bool:
        """Whether a drive has a folder of scans, as points or as the voxels that they hit."""
        files = (self.scan_file(sequence, '*'), self.voxel_file(sequence, '*', '.bin'))
        return any(file.parent.is_dir() for file in files)

    def frame_ids(self, sequence: str) -> list[str]:
        """Frames that have a left image, sorted."""
        return self._names(self.left_image(sequence, '*').parent, ('.png',))

    def check_images(self, sequence: str) -> None:
        """Refuse a drive whose images have another ending than ``.png``.

        Raises:
            DataError: A folder has other images, and no ``.png``.
        """
        for image in (self.left_image(sequence, '*'), self.right_image(sequence, '*')):
            other = other_image_suffix(image.parent, image.suffix)
            if other is not None:
                hint = f'Convert them, e.g. with ImageMagick: mogrify -format png *{other}'
                raise DataError(image.parent, 'images', '.png files', f'{other} files', hint)

    def sample_ids(self, sequence: str) -> list[str]:
        """Frames that have a voxel volume (``.bin`` or ``.label``), sorted."""
        return self._names(self.voxel_file(sequence, '*', '').parent, ('.bin', '.label'))

    @staticmethod
    def _names(folder: Path, suffixes: Sequence[str]) -> list[str]:
        paths = folder.iterdir() if folder.is_dir() else ()
        return sorted({p.stem for p in paths if p.suffix in suffixes and p.name[0] != '.'})

    def left_image(self, sequence: str, frame_id: str) -> Path:
        """Path of a left image."""
        name = self.dataset.IMAGE_PATH.format(sequence=sequence, frame_id=frame_id)
        return self._folder('sequences') / name

    def scan_file(self, sequence: str, frame_id: str) -> Path:
        """Path of a scan of the lidar."""
        return self._folder('sequences') / sequence / 'velodyne' / f'{frame_id}.bin'

    @abstractmethod
    def right_image(self, sequence: str, frame_id: str) -> Path:
        """Path of a right image."""

    def voxel_file(self, sequence: str, frame_id: str, suffix: str) -> Path:
        """Path of a raw voxel file, e.g. ``suffix='.label'``."""
        return self._folder('sequences') / sequence / 'voxels' / f'{frame_id}{suffix}'

    def label_file(self, sequence: str, frame_id: str, factor: int) -> Path:
        """Path of the training labels pooled by ``factor`` (1, 2, 4 or 8)."""
        return self._folder('labels') / sequence / f'{frame_id}_1_{factor}.npy'

    def depth_folder(self, sequence: str) -> Path:
        """Folder of the depth maps."""
        return self._folder('depth') / sequence

    def pseudo_lidar_folder(self, sequence: str) -> Path:
        """Folder of the pseudo-lidar clouds."""
        return self._folder('pseudo_lidar') / sequence

    def info_file(self, split: str) -> Path:
        """Path of the info file of a split."""
        return self.root / f'{self.info_prefix}_infos_{split}.json'

    @abstractmethod
    def calibration(self, sequence: str) -> StereoCalibration:
        """Calibration of a drive."""

    def calibration_file(self, sequence: str) -> Path:
        """Path of the calibration of a drive, for layouts that have one."""
        return self._folder('sequences') / sequence / 'calib.txt'

    def poses_file(self, sequence: str) -> Path:
        """Path of the poses of a drive."""
        return self._folder('sequences') / sequence / 'poses.txt'

    def depth_view(self, sequence: str, grid: VoxelGrid) -> DepthView:
        """The left camera of a drive, to check the unit of its depth maps."""
        calibration = self.calibration(sequence)
        return DepthView(calibration.projection, np.linalg.inv(calibration.lidar2cam), grid)

    @abstractmethod
    def poses(self, sequence: str) -> tuple[np.ndarray, np.ndarray]:
        """Frame indices (N,) int64 and the data set's own poses (N, 4, 4) float64."""

    def lidar_poses(self, sequence: str) -> dict[int, np.ndarray]:
        """Frame index -> pose (4, 4) of the lidar in the world."""
        index, poses = self.poses(sequence)
        lidar = self.dataset.lidar_poses(poses, self.calibration(sequence).lidar2cam)
        return dict(zip(index.tolist(), lidar))

    def info_entry(self, sequence: str) -> dict[str, Any]:
        """Entry of a drive in an info file."""
        calibration = self.calibration(sequence)
        index, poses = self.poses(sequence)
        entry = {
            'P2': calibration.projection,
            'P3': calibration.right_projection,
            'lidar2cam': calibration.lidar2cam,
            'poses': poses,
        }
        if self.indexed_poses:
            entry['pose_indices'] = index
        return {key: value for key, value in entry.items() if value is not None}


class SemanticKITTILayout(DrivingLayout):
    """SemanticKITTI: ``ROOT/dataset/sequences/SS`` ."""

    dataset = SemanticKITTIDataset
    splits = SEMANTIC_KITTI_SPLITS
    info_prefix = 'semantickitti'

    def right_image(self, sequence: str, frame_id: str) -> Path:
        """``image_3``, the right colour camera."""
        return self._folder('sequences') / sequence / 'image_3' / f'{frame_id}.png'

    def calibration(self, sequence: str) -> StereoCalibration:
        """Read ``P2``, ``Tr`` and, for stereo, ``P3`` from ``calib.txt``."""
        path = self.calibration_file(sequence)
        calib = read_calib(path)
        baseline_focal = baseline_focal_of(calib, path)
        lidar2cam = to_homogeneous(calib['Tr'])
        return StereoCalibration(calib['P2'], lidar2cam, calib.get('P3'), baseline_focal)

    def poses(self, sequence: str) -> tuple[np.ndarray, np.ndarray]:
        """Read ``poses.txt``: line n is frame n."""
        poses = read_poses(self.poses_file(sequence))
        return np.arange(len(poses)), poses


class SSCBenchKITTI360Layout(DrivingLayout):
    """SSCBench-KITTI-360: ``ROOT/data_2d_raw/SEQ``; frame names are SSCBench's indices."""

    dataset = SSCBenchKITTI360Dataset
    splits = KITTI_360_SPLITS
    info_prefix = 'sscbench_kitti360'
    indexed_poses = True

    def right_image(self, sequence: str, frame_id: str) -> Path:
        """``image_01``, the right perspective camera."""
        folder = self._folder('sequences') / sequence / 'image_01' / 'data_rect'
        return folder / f'{frame_id}.png'

    def calibration(self, sequence: str) -> StereoCalibration:
        """One calibration for every drive, published with the data set."""
        projection, lidar2cam = kitti360_calibration()
        return StereoCalibration(projection, lidar2cam, None, KITTI360_BASELINE_FOCAL)

    def poses(self, sequence: str) -> tuple[np.ndarray, np.ndarray]:
        """Read ``poses.txt``: each line starts with the frame index."""
        return read_indexed_poses(self.poses_file(sequence))
