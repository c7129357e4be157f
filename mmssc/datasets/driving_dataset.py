"""Base of the data sets of the KITTI family."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from os import PathLike
from os.path import join
from typing import Any, NamedTuple

import numpy as np
from mmengine.logging import print_log

from mmssc.datasets.label_rules import raw_to_train_labels
from mmssc.errors import DataError, counted
from mmssc.registry import DATASETS
from mmssc.structures import VoxelGrid

from .converter_hint import converter_hint
from .driving_cameras import check_drive, pose_rows
from .driving_list import read_driving_list
from .frame_choice import FrameChoiceDataset
from .frame_ranges import describe_frames

__all__ = ['DrivingDataset']


class _Drive(NamedTuple):
    """A sequence: ``P2`` (3, 4), ``lidar2cam`` (4, 4), poses of the lidar (N, 4, 4), and the row of
    the pose of each frame.
    """

    projection: np.ndarray
    lidar2cam: np.ndarray
    lidar_poses: np.ndarray
    rows: dict[int, int]


@DATASETS.register_module()
class DrivingDataset(FrameChoiceDataset):
    """Paths, calibration and motion of every sample; the transforms read the files.

    Each item before the pipeline holds

    - ``sequence``, ``frame_id``, ``sample_idx``, ``num_classes``, ``ignore_index``,
      ``voxel_grid`` (:class:`~mmssc.structures.VoxelGrid` of the ``1_1`` labels)
    - ``cam2img`` (3, 3), ``P2`` (3, 4), both float64, pixels; ``cropped_images``, whether the
      images are cut out of larger ones
    - ``lidar2cam`` (N, 4, 4) float64, lidar of the current frame -> camera of frame n
    - ``frame2ref`` (N, 4, 4) float64, lidar of frame n -> lidar of the current frame
    - ``frames``: N dicts ``frame_id, img_path, pseudo_lidar_path, depth_path, scan_path``, current
      frame first
    - ``label_paths``: ``{'1_1': path, '1_2': ..., '1_4': ..., '1_8': ...}``; missing if the sample
      has no labels according to the info file
    - ``voxel_paths``: ``{'bin': path, 'occluded': ..., 'invalid': ...}``, raw voxel files of the
      data set
    - ``prepare_hint``: the command that makes the files, or None

    Samples are sorted by sequence and frame. If the sequence has no frame at an offset, the current
    frame replaces it: same image and points, no motion. At the start of a drive this is normal; a
    warning names the other samples.

    Args:
        ann_file: Info file, see :mod:`mmssc.datasets.driving_list`.
        data_root: Folder that ``ann_file`` and ``data_prefix`` are relative to.
        data_prefix: Folders ``sequences``, ``labels``, ``pseudo_lidar`` and ``depth``; others keep
            the defaults of the class.
        frame_offsets: Frames beside the current one, e.g. ``(-12, -9, -6, -3)``.
        frame_bound: ``'count'`` accepts a frame below the *number* of poses, as in the training of
            the published models; ``'index'`` accepts every frame that has a pose. They differ only
            where pose indices have gaps (KITTI-360), near the end of a drive.
        depth_suffix: ``'.npy'`` or ``'.png'``, kind of the depth maps.
        kwargs: Arguments of :class:`mmengine.dataset.BaseDataset`.

    Raises:
        DataError: The info file is missing, is wrong or has no samples, a camera cannot be right
            (upside down, or it sees nothing of the box), a frame has no pose but needs one, or
            ``indices`` are not frames of the list.
    """

    METAINFO: dict[str, Any] = dict(classes=(), palette=(), ignore_index=255)
    DATA_PREFIX: Mapping[str, str] = dict(
        sequences='dataset/sequences',
        labels='dataset/labels',
        pseudo_lidar='dataset/pseudo_lidar',
        depth='dataset/depth',
    )
    #: Path of an image below ``sequences``.
    IMAGE_PATH = '{sequence}/image_2/{frame_id}.png'
    #: Command that makes the prepared files; '' if there is none.
    CONVERTER = ''
    #: Whether an invalid voxel is ignored even if it has a label.
    INVALID_HIDES_LABELS = True

    def __init__(
        self,
        ann_file: str,
        data_root: str = '',
        data_prefix: Mapping[str, str] | None = None,
        frame_offsets: Sequence[int] = (),
        frame_bound: str = 'count',
        depth_suffix: str = '.npy',
        **kwargs: Any,
    ) -> None:
        unknown = set(data_prefix or ()) - set(self.DATA_PREFIX)
        if unknown:
            field, expected = f'{type(self).__name__}.data_prefix', ', '.join(self.DATA_PREFIX)
            raise DataError('config', field, expected, sorted(unknown))
        if frame_bound not in ('count', 'index'):
            field = f'{type(self).__name__}.frame_bound'
            raise DataError('config', field, "'count' or 'index'", repr(frame_bound))
        self.frame_offsets = tuple(int(offset) for offset in frame_offsets)
        self.frame_bound = frame_bound
        self.depth_suffix = depth_suffix
        self.prepare_hint = 'Write the info file: mmssc.datasets.driving_list.write_driving_list'
        if self.CONVERTER:
            self.prepare_hint = converter_hint(self.CONVERTER, data_root)
        super().__init__(
            ann_file=ann_file,
            data_root=data_root,
            data_prefix={**self.DATA_PREFIX, **(data_prefix or {})},
            **kwargs,
        )

    @staticmethod
    def lidar_poses(poses: np.ndarray, lidar2cam: np.ndarray) -> np.ndarray:
        """Lidar poses (N, 4, 4) from the data set's own poses (N, 4, 4), both to the world."""
        return np.linalg.inv(lidar2cam) @ poses @ lidar2cam

    @classmethod
    def train_labels(
        cls, raw: np.ndarray, invalid: np.ndarray, source: str | PathLike[str] = 'raw labels'
    ) -> np.ndarray:
        """Training labels (X, Y, Z) uint8 of a raw volume, by the map and rule of this data set.

        Args and errors: :func:`~mmssc.datasets.label_rules.raw_to_train_labels`.
        """
        return raw_to_train_labels(
            raw,
            invalid,
            cls.METAINFO['learning_map'],
            cls.INVALID_HIDES_LABELS,
            cls.METAINFO['ignore_index'],
            source,
        )

    def read_list(self) -> dict[str, Any]:
        """Read the info file, as :func:`~mmssc.datasets.driving_list.read_driving_list`.

        Raises:
            DataError: It is missing or wrong, has no samples, or is that of another data set.
        """
        info = read_driving_list(self.ann_file, hint=self.prepare_hint)
        if not info['data_list']:
            raise DataError(
                self.ann_file, 'data_list', 'at least one sample', 'none', self.prepare_hint
            )
        name, found = self._metainfo.get('dataset'), info['metainfo']['dataset']
        if name not in (None, found):
            # Another data set has other poses and classes.
            hint = f'{type(self).__name__} reads other files. {self.prepare_hint}'
            raise DataError(self.ann_file, 'metainfo.dataset', name, found, hint)
        return info

    def load_data_list(self) -> list[dict[str, Any]]:
        """Read the info file and make an item of every sample, sorted by sequence and frame."""
        info = self.read_list()
        self._metainfo['voxel_grid'] = info['metainfo']['voxel_grid'].to_dict()
        self._drives = {
            name: _Drive(
                sequence['P2'],
                sequence['lidar2cam'],
                self.lidar_poses(sequence['poses'], sequence['lidar2cam']),
                pose_rows(sequence),
            )
            for name, sequence in info['sequences'].items()
        }
        self._cropped_images = info['metainfo'].get('cropped_images', False)
        self._check_cameras(info['metainfo']['voxel_grid'])
        samples = sorted(info['data_list'], key=lambda item: (item['sequence'], item['frame_id']))
        if self.frame_offsets:
            self._check_poses(samples, info['sequences'])
        self._warn_of_repeated_frames(samples)
        return samples

    def _check_cameras(self, grid: VoxelGrid) -> None:
        for name, drive in self._drives.items():
            fields = f'sequences.{name}.lidar2cam', f'sequences.{name}.P2'
            remarks = check_drive(
                drive.projection,
                drive.lidar2cam,
                grid,
                self.ann_file,
                fields,
                lidar_poses=dict(zip(drive.rows, drive.lidar_poses)),
            )
            for remark in remarks:
                text = f'{self.ann_file}: sequence {name}: {remark}'
                print_log(text, 'current', logging.WARNING)

    def _check_poses(self, samples: Sequence[Mapping[str, Any]], sequences: Mapping) -> None:
        for sample in samples:
            name, frame_id = sample['sequence'], sample['frame_id']
            rows = self._drives[name].rows
            if int(frame_id) not in rows and 'pose_indices' not in sequences[name]:
                expected = f'a pose of frame {int(frame_id)} for {name}/{frame_id}'
                hint = f'poses.txt of {name} is too short: complete it first. {self.prepare_hint}'
                raise DataError(self.ann_file, 'poses', expected, counted(len(rows), 'pose'), hint)

    def _warn_of_repeated_frames(self, samples: Sequence[Mapping[str, Any]]) -> None:
        """Say where the sample's own frame replaces another one, except at the start of a drive."""
        repeated: dict[tuple[str, str], list[str]] = {}
        for sample in samples:
            name, frame = sample['sequence'], int(sample['frame_id'])
            posed = self._drives[name].rows
            targets = [frame + offset for offset in self.frame_offsets if frame + offset >= 0]
            left_out = [target for target in targets if not self._can_read(frame, target, posed)]
            if left_out:
                has_poses = frame in posed and all(target in posed for target in left_out)
                why = "beyond frame_bound='count'" if has_poses else 'no pose in poses.txt'
                repeated.setdefault((name, why), []).append(sample['frame_id'])
        for (name, why), frames in repeated.items():
            count = counted(len(frames), 'sample')
            text = f"{count} with the sample's own frame in place of another one ({why})"
            text = f'{self.ann_file}: sequence {name}: {text}: {describe_frames(frames)}'
            print_log(text, 'current', logging.WARNING)

    def make_item(self, record: dict[str, Any]) -> dict[str, Any]:
        """Paths, calibration and motion of a sample, see the class."""
        if 'frames' in record:
            return record
        name, frame_id, drive = (
            record['sequence'],
            record['frame_id'],
            self._drives[record['sequence']],
        )
        frame = int(frame_id)
        chosen = self._choose_frames(frame, drive.rows)
        lidar2cam, frame2ref = [], []
        for target, row, current_row in chosen:
            # The current frame has exactly no motion; inv(T) @ T would have rounding errors.
            motion = moved_back = np.eye(4)
            if target != frame:
                poses = drive.lidar_poses
                motion = np.linalg.inv(poses[row]) @ poses[current_row]
                moved_back = np.linalg.inv(poses[current_row]) @ poses[row]
            lidar2cam.append(drive.lidar2cam @ motion)
            frame2ref.append(moved_back)
        item = dict(
            sequence=name,
            frame_id=frame_id,
            num_classes=len(self._metainfo['classes']),
            ignore_index=self._metainfo['ignore_index'],
            voxel_grid=VoxelGrid.build(self._metainfo['voxel_grid']),
            cropped_images=self._cropped_images,
            # Copies: a transform may change its arrays.
            cam2img=drive.projection[:, :3].copy(),
            P2=drive.projection.copy(),
            lidar2cam=np.stack(lidar2cam),
            frame2ref=np.stack(frame2ref),
            frames=[self._frame_paths(name, target, len(frame_id)) for target, _, _ in chosen],
            voxel_paths={
                kind: join(self.data_prefix['sequences'], name, 'voxels', f'{frame_id}.{kind}')
                for kind in ('bin', 'occluded', 'invalid')
            },
            prepare_hint=self.prepare_hint if self.CONVERTER else None,
        )
        if record['labelled']:
            folder = join(self.data_prefix['labels'], name)
            scales = ('1_1', '1_2', '1_4', '1_8')
            item['label_paths'] = {s: join(folder, f'{frame_id}_{s}.npy') for s in scales}
        return item

    def _can_read(self, frame: int, target: int, rows: Mapping[int, int]) -> bool:
        in_bound = self.frame_bound == 'index' or 0 <= target < len(rows)
        return in_bound and target in rows and frame in rows

    def _choose_frames(self, frame: int, rows: Mapping[int, int]) -> list[tuple[int, int, int]]:
        """(frame to read, its pose row, the current frame's pose row), current frame first."""
        chosen = [(frame, 0, 0)]
        for offset in self.frame_offsets:
            target = frame + offset
            if self._can_read(frame, target, rows):
                chosen.append((target, rows[target], rows[frame]))
            else:
                chosen.append((frame, 0, 0))
        return chosen

    def _frame_paths(self, sequence: str, frame: int, width: int) -> dict[str, str]:
        frame_id, prefix = f'{frame:0{width}d}', self.data_prefix
        image = self.IMAGE_PATH.format(sequence=sequence, frame_id=frame_id)
        return dict(
            frame_id=frame_id,
            img_path=join(prefix['sequences'], image),
            pseudo_lidar_path=join(prefix['pseudo_lidar'], sequence, f'{frame_id}.bin'),
            depth_path=join(prefix['depth'], sequence, frame_id + self.depth_suffix),
            scan_path=join(prefix['sequences'], sequence, 'velodyne', f'{frame_id}.bin'),
        )
