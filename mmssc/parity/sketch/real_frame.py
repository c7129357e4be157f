"""A frame of NYU from 3D-Sketch, compared with our result from its raw files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from mmssc.datasets import NYUDataset
from mmssc.errors import DataError
from mmssc.formats.rgbd_format import FrameSpec
from mmssc.formats.sscnet import NYU_CAMERAS, NYU_IMAGE_SIZE
from mmssc.geometry import label_weight
from mmssc.parity.report import ParityCase, ParityReport
from mmssc.preparation.rgbd.layouts import RawFrame
from mmssc.preparation.rgbd.published_figures import frame_figures, read_figures
from mmssc.preparation.rgbd.tasks import FrameSettings, prepare_frame
from mmssc.structures import VoxelGrid

__all__ = ['check_real_frame', 'is_real_frame']

_TSDF = 1e-6
# Rounding at the border of the image.
_TSDF_VOXELS = 1
_FIGURES = 'nyu_frames.csv'


def is_real_frame(case: ParityCase) -> bool:
    """Whether a file has the arrays of a distributed frame."""
    return 'mapping_arr_0' in case


def check_real_frame(case: ParityCase, report: ParityReport) -> None:
    """Compare a ``real_NNNN.npz``.

    This always checks the rule of the label weight. If ``nyu_frames.csv`` is in the same folder, it
    checks those figures. If ``case.data`` has the depth image and ``.bin``, it checks the result of
    the converter.

    Raises:
        DataError: ``case.data`` is given but lacks the files.
    """
    grid = VoxelGrid.build(NYUDataset.METAINFO['voxel_grid'])
    spec = FrameSpec(grid, NYU_IMAGE_SIZE, len(NYUDataset.METAINFO['classes']))
    names = dict(tsdf='tsdf_arr_0', label_weight='tsdf_arr_1', gt_voxels='label_arr_0',
                 voxel_to_pixel='mapping_arr_0')  # fmt: skip
    stored = {key: case[name].reshape(grid.shape) for key, name in names.items()}
    mapping, pixels = stored['voxel_to_pixel'], NYU_IMAGE_SIZE[0] * NYU_IMAGE_SIZE[1]
    stored['voxel_to_pixel'] = np.where(mapping == pixels, -1, mapping)
    stored['label_weight'] = stored['label_weight'] > 0
    labels, tsdf = (torch.from_numpy(stored[key]) for key in ('gt_voxels', 'tsdf'))
    report.equal('rule of the label weight', label_weight(labels, tsdf), stored['label_weight'])
    figures = case.path.with_name(_FIGURES)
    frame_id = case.path.stem.rpartition('_')[2]
    if figures.is_file():
        found = frame_figures(stored, NYU_IMAGE_SIZE)
        published = read_figures(figures)
        if frame_id not in published:
            raise DataError(figures, 'frame', frame_id, 'none of this name')
        for name, expected in published[frame_id].items():
            report.close(f'{_FIGURES}/{name}', found[name], expected, absolute=_TSDF)
    if case.data is not None:
        raw = _find_raw(case.data, frame_id)
        made = prepare_frame(raw, FrameSettings(spec, NYU_CAMERAS['nyu']))
        _check_made(made, stored, report)
    report.note_unused(case)


def _find_raw(folder: Path, frame_id: str) -> RawFrame:
    name = f'NYU{frame_id}_0000'
    depths = sorted(folder.rglob(f'{name}.png'))
    if len(depths) != 1:
        raise DataError(folder, 'raw frame', f'one {name}.png, with a .bin beside it', len(depths))
    return RawFrame('nyu', 'test', frame_id, depths[0], depths[0].with_suffix('.bin'))


def _check_made(
    made: Mapping[str, np.ndarray], stored: Mapping[str, np.ndarray], report: ParityReport
) -> None:
    for key in ('voxel_to_pixel', 'gt_voxels', 'label_weight'):
        report.equal(f'from raw: {key}', made[key], stored[key])
    different = int((np.abs(made['tsdf'] - stored['tsdf']) > _TSDF).sum())
    total = stored['tsdf'].size
    report.at_most('from raw: tsdf', different, _TSDF_VOXELS, total, f'voxels off by {_TSDF:g}')
