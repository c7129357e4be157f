"""VoxDet-LiDAR against the figures of the official implementation, through the command."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

DATA = Path(__file__).parents[1] / 'data' / 'parity' / 'voxdet'
TINY = '--manifest', DATA / 'manifest_lidar_tiny.csv', '--case'
RunTool = Callable[..., tuple[int, str]]


def change(path: Path, name: str, changes: dict[str, np.ndarray]) -> Path:
    with np.load(DATA / name) as file:
        np.savez(path / name, **{**{key: file[key] for key in file.files}, **changes})
    return path / name


@pytest.mark.parametrize('case', ['lidar_tiny_1.npz', 'lidar_tiny_2.npz'])
def test_stages_losses_and_gradients(run_tool: RunTool, case: str) -> None:
    status, text = run_tool('voxdet-lidar', *TINY, DATA / case)
    assert status == 0, text
    for name in ('grid_ind', 'point_mlp', 'tokenizer', 'backbone.2', 'neck.1', 'encoder.2',
                 'tpv_cls.0', 'tpv_reg.1', 'cls.1', 'reg.0', 'bbox', 'refine.3', 'logits',
                 'logits_aux', 'target_refined/hist', 'loss/loss_voxel_ctr',
                 'loss/loss_aux_voxel_ce', 'loss/total',
                 'grad/lidar_tokenizer.point_mlp.0.weight'):  # fmt: skip
        assert f'\n{name} ' in text
    assert '364 figures compared' in text and 'not checked' not in text


def test_units(run_tool: RunTool) -> None:
    status, text = run_tool('voxdet-lidar', '--units', DATA / 'units_1.npz')
    assert status == 0, text
    for name in ('box/offsets', 'reg/b2/loss', 'car_filter/packed', 'grid', 'refine/out', 'tpv/out',
                 'dcn/out_groups4', 'points_enc/train', 'prep/grid_ind', 'loss/geo_scal',
                 'loss/ce/all_ignored: 0', 'drop_path/3d_333', 'lr/value'):  # fmt: skip
        assert f'\n{name} ' in text
    assert '107 figures compared' in text and 'cases of the camera model' in text


def test_wrong_figures_are_found(run_tool: RunTool, tmp_path: Path) -> None:
    name = 'lidar_tiny_1.npz'
    with np.load(DATA / name) as file:
        norms, names = file['grad/norm'], file['grad/names'].tolist()
        values, kept = file['tpv_reg.0/val'], file['n_kept']
    norms[names.index('pts_bbox_head.cls_convs.0.3.weight')] *= 1.01
    case = change(tmp_path, name, {
        'grad/norm': norms, 'tpv_reg.0/val': values * np.float32(1.01), 'n_kept': kept + 1,
        'an_array_that_nobody_knows': np.zeros(3),
    })  # fmt: skip
    status, text = run_tool('voxdet-lidar', *TINY, case, '--failures-only')
    assert status == 1
    assert '3 failed' in text and 'not checked: an_array_that_nobody_knows' in text


def test_wrong_units_are_found(run_tool: RunTool, tmp_path: Path) -> None:
    with np.load(DATA / 'units_1.npz') as file:
        runs, rates = file['box/offsets'], file['lr/value']
    runs[0, 3, 2, 1, 0] += 1
    units = change(tmp_path, 'units_1.npz', {'box/offsets': runs, 'lr/value': rates * 1.001})
    status, text = run_tool('voxdet-lidar', '--units', units, '--failures-only')
    assert status == 1
    assert '2 failed' in text and 'box/offsets' in text and 'lr/value' in text


@pytest.mark.slow
def test_the_full_size_model(run_tool: RunTool) -> None:
    """A few minutes; with the backward pass three times as long, and 10 GB."""
    manifest, case = DATA / 'manifest_lidar.csv', DATA / 'lidar_full_1.npz'
    arguments = ('--manifest', manifest, '--case', case)
    status, text = run_tool('voxdet-lidar', *arguments, '--forward-only')
    assert status == 0, text
    assert '\nlogits ' in text and 'loss/total' in text
