"""NYU Depth V2 and NYUCAD for semantic scene completion (Song et al., CVPR 2017)."""

from __future__ import annotations

from typing import Any

from mmssc.dataset_facts import NYU_GRID, NYU_IMAGE_SIZE
from mmssc.formats.sscnet import RAW_TO_CLASS
from mmssc.registry import DATASETS

from .rgbd_dataset import RGBDDataset

__all__ = ['NYUDataset']


@DATASETS.register_module()
class NYUDataset(RGBDDataset):
    """NYU and NYUCAD: one depth image and one colour image per frame, 60 x 36 x 60 voxels of 8 cm.

    Reads prepared trees and the folders that 3D-Sketch, CleanerS, AMMNet and DDRNet distribute;
    ``tools/dataset_converters/nyu.py`` writes the info list of either.

    Args:
        ann_file: Info list.
        data_root: Folder that ``ann_file`` and the paths of the list are relative to.
        source: Depth that ``tsdf`` and ``voxel_to_pixel`` come from: ``'nyu'`` (Kinect),
            ``'nyucad'`` (rendered from the annotation), or another source of the list.
        clean_source: Depth that ``tsdf_clean`` comes from: ``'nyucad'`` for the teacher of
            CleanerS; None: no ``tsdf_clean``.
        label_source: Source of labels, weights and sketches; NYU also for runs on NYUCAD.
        kwargs: See :class:`RGBDDataset`.
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
        voxel_grid=NYU_GRID,
        ignore_index=255,
        image_size=NYU_IMAGE_SIZE,
    )  # fmt: skip
    CONVERTER = 'tools/dataset_converters/nyu.py'

    def __init__(
        self,
        ann_file: str,
        data_root: str = '',
        source: str = 'nyu',
        clean_source: str | None = None,
        label_source: str = 'nyu',
        **kwargs: Any,
    ) -> None:
        super().__init__(ann_file, data_root, source, clean_source, label_source, **kwargs)

    def _list_hint(self) -> str:
        """The command of the converter, and that for configs that read all frames from one file."""
        return (
            f'{self.prepare_hint}. The configs light_*_nyu read all frames from one file: prepare '
            'the frames in another folder DIR, then run: '
            f'python tools/dataset_converters/nyu_cache.py DIR --out {self.data_root or "ROOT"}'
        )
