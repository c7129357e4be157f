"""Frames of depth cameras: the base of NYU, and the data set of your own camera."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from os.path import join
from typing import Any

import numpy as np
from mmengine.logging import print_log

from mmssc.errors import DataError
from mmssc.formats.matrices import camera_matrix
from mmssc.registry import DATASETS
from mmssc.structures.sample_keys import STORED_TARGETS

from .converter_hint import converter_hint
from .frame_choice import FrameChoiceDataset
from .rgbd_list import SHARED, Frame, FrameFile, RGBDList, read_rgbd_list

__all__ = ['RGBDDataset']

# Frames of a list whose poses are compared with their grid.
_POSES_CHECKED = 100


@DATASETS.register_module()
class RGBDDataset(FrameChoiceDataset):
    """RGB-D frames: one depth image and, optionally, one colour image each.

    The info list (:mod:`mmssc.datasets.rgbd_list`) has the paths and formats of the files. A
    subclass has the classes in its ``METAINFO``, or the config gives
    ``metainfo=dict(classes=...)``. Each item before the pipeline holds

    - ``sequence`` (the split), ``frame_id``, ``sample_idx``, ``num_classes``, ``ignore_index``
    - ``voxel_grid`` (:class:`~mmssc.structures.VoxelGrid`): axes world x, z (up), y; the origin is
      that of the frame if the list has it, else 0
    - ``image_size`` (height, width); ``fine_factor``, voxels of ``tsdf_fine`` along the edge of a
      voxel of the grid; ``cam2img`` (3, 3) float64 of ``source``; ``lidar2cam`` (1, 4, 4) float64,
      world -> camera, if the list has the pose
    - ``files``: key -> (path, format), for :class:`~mmssc.datasets.transforms.LoadRGBDFrame`
    - ``missing``: keys without a file for this frame, from the list
    - ``prepare_hint``: the command that makes the files

    Args:
        ann_file: Info list.
        data_root: Folder that ``ann_file`` and the paths of the list are relative to.
        source: Source of the list that ``tsdf`` and ``voxel_to_pixel`` come from.
        clean_source: Source that ``tsdf_clean`` comes from; None: no ``tsdf_clean``.
        label_source: Source of labels, weights and sketches; None: ``source``.
        require: Keys that a frame must have; other frames are left out, and their number is logged.
            ``('img',)`` takes the frames with a colour image.
        files: Key -> ``dict(path=..., format=...)``, replaces or adds to the files of the list; the
            path may be absolute.
        kwargs: Arguments of :class:`mmengine.dataset.BaseDataset`.

    Raises:
        DataError: The info list is missing, is wrong, or does not have the source, a (required)
            frame, or the frames ``indices``.
    """

    #: Command that makes the prepared files and the info list.
    CONVERTER = 'tools/dataset_converters/own_rgbd.py'

    def __init__(
        self,
        ann_file: str,
        data_root: str = '',
        source: str = 'own',
        clean_source: str | None = None,
        label_source: str | None = None,
        require: Sequence[str] = (),
        files: Mapping[str, Mapping[str, str]] | None = None,
        **kwargs: Any,
    ) -> None:
        self.source, self.clean_source = source, clean_source
        self.label_source = label_source or source
        self.require = tuple(require)
        self.own_files = {key: FrameFile(**file) for key, file in (files or {}).items()}
        self.prepare_hint = self._prepare_hint(self.CONVERTER, data_root)
        super().__init__(ann_file=ann_file, data_root=data_root, **kwargs)

    @staticmethod
    def _prepare_hint(converter: str, data_root: str) -> str:
        if converter == RGBDDataset.CONVERTER:
            return converter_hint(converter, data_root, '--camera FX,FY,CX,CY')
        return converter_hint(converter, data_root)

    def _list_hint(self) -> str:
        """What to do if the info list is missing or damaged."""
        return self.prepare_hint

    def read_list(self) -> RGBDList:
        """Read the info list, as :func:`~mmssc.datasets.rgbd_list.read_rgbd_list`.

        Raises:
            DataError: It is missing or wrong, or has no files of the source; or the classes are
                missing.
        """
        if 'classes' not in self._metainfo:
            expected = 'metainfo=dict(classes=(...)), the empty class first'
            raise DataError('config', f'{type(self).__name__}.metainfo', expected, 'no classes')
        frames = read_rgbd_list(self.ann_file, hint=self._list_hint())
        if frames.dataset == 'own':
            self.prepare_hint = self._prepare_hint(RGBDDataset.CONVERTER, self.data_root)
        self._check_sources(frames)
        return frames

    def load_data_list(self) -> list[dict[str, Any]]:
        """Read the info list and make an item of every frame, in its order."""
        frames = self.read_list()
        self._warn_of_cameras(frames)
        self._metainfo['voxel_grid'] = frames.voxel_grid.to_dict()
        self._list = replace(frames, frames=())
        self._table = self._file_table(frames)
        self._never_there = set(self.require) - set(self._table)
        kept = [
            dict(frame=frame)
            for frame in frames.frames
            if not set(self.require) & self._missing_keys(frame)
        ]
        total = len(frames.frames)
        if not kept:
            needed = f' with {", ".join(self.require)}' if self.require else ''
            found = f'none of {total}'
            raise DataError(
                self.ann_file, 'data_list', f'a frame{needed}', found, self.prepare_hint
            )
        if len(kept) < total:
            text = f'{self.ann_file}: {len(kept)} of {total} frames have {self.require}'
            print_log(text, 'current')
        return kept

    def _missing_keys(self, frame: Frame) -> set[str]:
        """Keys without a file for this frame."""
        missing = {key for key, (name, _) in self._table.items() if name in frame.missing}
        return missing | self._never_there

    def _check_sources(self, frames: RGBDList) -> None:
        for name in ('source', 'clean_source', 'label_source'):
            source = getattr(self, name)
            # A source with only a depth image is not prepared.
            if source is not None and not set(frames.files.get(source, {})) - {'depth'}:
                found = sorted(set(frames.files) - {SHARED})
                raise DataError(
                    self.ann_file, f'{name} {source!r}', 'files of it', f'only {", ".join(found)}',
                    self.prepare_hint,
                )  # fmt: skip

    def _warn_of_cameras(self, frames: RGBDList) -> None:
        remarks = frames.camera_remarks(self.ann_file, self.source)
        # The world of another tool may have its floor elsewhere. A sample of the frames: every
        # process of a training does this, and the converter has looked at all.
        remarks += frames.pose_remarks(
            self.ann_file, self.source, has_floor=False, at_most=_POSES_CHECKED
        )
        for remark in remarks:
            print_log(f'{self.ann_file}: {remark}', 'current', logging.WARNING)
        floor = frames.voxel_grid.axes.index('z')
        low = [
            frame.frame_id
            for frame in frames.frames
            if frame.cam2world is not None
            and frame.origin is not None
            and frame.cam2world[2, 3] <= frame.origin[floor]
        ]
        if low:
            text = f'{len(low)} of {len(frames.frames)} cameras are below the box of voxels'
            text = f'{self.ann_file}: {text}, e.g. in frame {low[0]}: are the poses right?'
            print_log(text, 'current', logging.WARNING)

    def _file_table(self, frames: RGBDList) -> dict[str, tuple[str, FrameFile]]:
        """Key -> (name in ``missing``, file)."""
        table = {}
        for source, of_labels in (
            (SHARED, False),
            (self.source, False),
            (self.label_source, True),
        ):
            for key, file in frames.files.get(source, {}).items():
                if (key in STORED_TARGETS) == of_labels:
                    table[key] = f'{source}/{key}', file
        clean = frames.files.get(self.clean_source or '', {}).get('tsdf')
        if clean is not None:
            table['tsdf_clean'] = f'{self.clean_source}/tsdf', clean
        table.update({key: ('', file) for key, file in self.own_files.items()})
        return table

    def make_item(self, record: dict[str, Any]) -> dict[str, Any]:
        """Paths and camera of a frame, see the class."""
        if 'files' in record:
            return record
        frame, frames = record['frame'], self._list
        item = dict(
            sequence=frames.split,
            frame_id=frame.frame_id,
            num_classes=len(self._metainfo['classes']),
            ignore_index=self._metainfo.get('ignore_index', 255),
            voxel_grid=frames.grid_of(frame),
            image_size=frames.image_size,
            fine_factor=frames.fine_factor,
            files={
                key: (join(self.data_root, file.of(frame.frame_id)), file.format)
                for key, (_, file) in self._table.items()
            },
            missing=self._missing_keys(frame),
            prepare_hint=self.prepare_hint,
        )
        if self.source in frames.cameras:
            item['cam2img'] = camera_matrix(frames.cameras[self.source])
        if frame.cam2world is not None:
            item['lidar2cam'] = np.linalg.inv(frame.cam2world)[None]
        return item
