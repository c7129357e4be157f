"""NYU Depth V2 and NYUCAD for semantic scene completion (Song et al., CVPR 2017)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os.path import join
from typing import Any

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from mmssc.errors import DataError
from mmssc.formats.matrices import camera_matrix
from mmssc.formats.sscnet import RAW_TO_CLASS
from mmssc.registry import DATASETS
from mmssc.structures.sample_keys import STORED_TARGETS

from .rgbd_list import SHARED, Frame, FrameFile, RGBDList, read_rgbd_list

__all__ = ['NYUDataset']


@DATASETS.register_module()
class NYUDataset(BaseDataset):
    """NYU and NYUCAD: one depth image and one colour image per frame, 60 x 36 x 60 voxels of 8 cm.

    The info list (:mod:`mmssc.datasets.rgbd_list`) has the paths of the files, so this class reads
    prepared trees and the folders that 3D-Sketch, CleanerS, AMMNet and DDRNet distribute.
    ``tools/dataset_converters/nyu.py`` writes the list. Each item before the pipeline holds

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
        source: Depth that ``tsdf`` and ``voxel_to_pixel`` come from: ``'nyu'`` (Kinect),
            ``'nyucad'`` (rendered from the annotation), or another source of the list.
        clean_source: Depth that ``tsdf_clean`` comes from: ``'nyucad'`` for the teacher of
            CleanerS; None: no ``tsdf_clean``.
        label_source: Source of labels, weights and sketches; NYU also for runs on NYUCAD.
        require: Keys that a frame must have; other frames are left out, and their number is logged.
            ``('img',)`` takes the frames with a colour image.
        files: Key -> ``dict(path=..., format=...)``, replaces or adds to the files of the list; the
            path may be absolute.
        kwargs: Arguments of :class:`mmengine.dataset.BaseDataset`.

    Raises:
        DataError: The info list is missing, is wrong, or does not have the source or a (required)
            frame.
    """

    METAINFO: dict[str, Any] = dict(
        dataset='NYU',
        classes=(
            'empty', 'ceiling', 'floor', 'wall', 'window', 'chair', 'bed', 'sofa', 'table', 'tvs',
            'furniture', 'objects',
        ),
        palette=(
            (22, 191, 206), (214, 38, 40), (43, 160, 4), (158, 216, 229), (114, 158, 206),
            (204, 204, 91), (255, 186, 119), (147, 102, 188), (30, 119, 181), (188, 188, 33),
            (255, 127, 12), (196, 175, 214),
        ),
        # Hidden in views from above.
        roof_classes=('ceiling',),
        # Voxels of the training split that have a label and are used in training.
        class_counts=(
            7049946, 80205, 1072333, 907680, 116952, 180994, 436852, 282264, 255113, 28247,
            1806927, 852366,
        ),
        learning_map={raw: int(number) for raw, number in enumerate(RAW_TO_CLASS)},
        voxel_grid=dict(
            origin=[0.0, 0.0, 0.0], voxel_size=[0.08] * 3, shape=[60, 36, 60],
            axes=['x', 'z', 'y'], frame='world',
        ),
        ignore_index=255,
        image_size=(480, 640),
    )  # fmt: skip
    #: Commands that make the prepared files and the info list: for NYU, and for your own camera.
    CONVERTER = 'tools/dataset_converters/nyu.py'
    OWN_CONVERTER = 'tools/dataset_converters/own_rgbd.py'

    def __init__(
        self,
        ann_file: str,
        data_root: str = '',
        source: str = 'nyu',
        clean_source: str | None = None,
        label_source: str = 'nyu',
        require: Sequence[str] = (),
        files: Mapping[str, Mapping[str, str]] | None = None,
        **kwargs: Any,
    ) -> None:
        self.source, self.clean_source, self.label_source = source, clean_source, label_source
        self.require = tuple(require)
        self.own_files = {key: FrameFile(**file) for key, file in (files or {}).items()}
        self.prepare_hint = f'Run: python {self.CONVERTER} {data_root}'.rstrip()
        super().__init__(ann_file=ann_file, data_root=data_root, **kwargs)

    def load_data_list(self) -> list[dict[str, Any]]:
        """Read the info list and make an item of every frame, in its order."""
        frames = read_rgbd_list(self.ann_file, hint=self.prepare_hint)
        if frames.dataset == 'own':
            self.prepare_hint = self.prepare_hint.replace(self.CONVERTER, self.OWN_CONVERTER)
        self._check_sources(frames)
        self._metainfo['voxel_grid'] = frames.voxel_grid.to_dict()
        table = self._file_table(frames)
        items = [self._make_item(frames, frame, table) for frame in frames.frames]
        kept = [item for item in items if not set(self.require) & item['missing']]
        if not kept:
            needed = f' with {", ".join(self.require)}' if self.require else ''
            found = f'none of {len(items)}'
            raise DataError(
                self.ann_file, 'data_list', f'a frame{needed}', found, self.prepare_hint
            )
        if len(kept) < len(items):
            text = f'{self.ann_file}: {len(kept)} of {len(items)} frames have {self.require}'
            print_log(text, 'current')
        return kept

    def _check_sources(self, frames: RGBDList) -> None:
        for name in ('source', 'clean_source', 'label_source'):
            source = getattr(self, name)
            # A source with only a depth image is not prepared.
            if source is not None and not set(frames.files.get(source, {})) - {'depth'}:
                found = sorted(set(frames.files) - {SHARED})
                raise DataError(
                    self.ann_file, f'{name} {source!r}', 'files of it', f'only {found}',
                    self.prepare_hint,
                )  # fmt: skip

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

    def _make_item(
        self, frames: RGBDList, frame: Frame, table: Mapping[str, tuple[str, FrameFile]]
    ) -> dict[str, Any]:
        item = dict(
            sequence=frames.split,
            frame_id=frame.frame_id,
            num_classes=len(self._metainfo['classes']),
            ignore_index=self._metainfo['ignore_index'],
            voxel_grid=frames.grid_of(frame),
            image_size=frames.image_size,
            fine_factor=frames.fine_factor,
            files={
                key: (join(self.data_root, file.of(frame.frame_id)), file.format)
                for key, (_, file) in table.items()
            },
            missing={key for key, (name, _) in table.items() if name in frame.missing}
            | (set(self.require) - set(table)),
            prepare_hint=self.prepare_hint,
        )
        if self.source in frames.cameras:
            item['cam2img'] = camera_matrix(frames.cameras[self.source])
        if frame.cam2world is not None:
            item['lidar2cam'] = np.linalg.inv(frame.cam2world)[None]
        return item
