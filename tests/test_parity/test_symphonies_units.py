"""Pieces of Symphonies against the figures of the official implementation."""

from __future__ import annotations

from pathlib import Path

import numpy as np

UNITS = Path(__file__).parents[1] / 'data' / 'parity' / 'symphonies' / 'units_1.npz'


def test_units(run_tool):
    status, text = run_tool('symphonies', '--units', UNITS)
    assert status == 0, text
    for name in ('vox2pix_kitti/1/pix', 'frustum/8/masks_packed', 'cp_odd/packed', 'loss/frustum',
                 'loss/relation_grad_norm', 'loss/no_frustum: a number, 0', 'metric/mIoU',
                 'flosp/out', 'class_weights/kitti_360', 'aspp/out'):  # fmt: skip
        assert f'\n{name} ' in text


def test_wrong_figures_are_found(run_tool, tmp_path):
    with np.load(UNITS) as file:
        arrays = {key: file[key] for key in file.files}
    arrays['vox2pix_kitti/2/fov_crc32'] += 1
    arrays['loss/frustum'] *= 1.001
    arrays['cp/four_way_packed'][0] ^= 1
    np.savez(tmp_path / 'units_1.npz', **arrays)
    status, text = run_tool('symphonies', '--units', tmp_path / 'units_1.npz', '--failures-only')
    assert status == 1 and '3 failed' in text
    for name in ('vox2pix_kitti/2/fov_crc32', 'loss/frustum', 'cp/four_way_packed'):
        assert f'\n{name} ' in text
