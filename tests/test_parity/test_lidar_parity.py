"""LMSCNet and SSCNet against the official figures, through the command line tool."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from mmssc.checkpoints.importer import key_map
from mmssc.models.backbones import plane_unet, sscnet_trunk

DATA = Path(__file__).parents[1] / 'data' / 'parity' / 'lidar'
TINY, UNITS, CARLA = (DATA / f'{name}_1.npz' for name in ('case_tiny', 'units', 'case_carla'))
WEIGHTS = {
    'lmscnet-ss': 'LMSC_11_T1B_Epoch19.pt', 'sscnet-full': 'SSC_Full_11_T1B_Epoch19.pt',
}  # fmt: skip
RunTool = Callable[..., tuple[int, str]]


def manifest(kind: str, tiny: bool = False) -> Path:
    ending = '-tiny' if tiny and kind.startswith('lmscnet') else ''
    return DATA / f'manifest_{kind}{ending}.csv'


@pytest.mark.parametrize(
    ('kind', 'figures', 'names'),
    [
        ('lmscnet', 363, ('enc4', 'up_1_8', 'bev_1_1', 'logit_1_8', 'train_loss/total',
                          'grad/seg_head_1_4.conv0.weight', 'steps/2')),
        ('lmscnet-ss', 174, ('bev_1_8', 'logit_1_1', 'train_logit_1_1', 'steps/0')),
        ('sscnet-full', 66, ('stem', 'block2', 'cat', 'feat', 'balance/not_selected',
                             'grad/conv3_8.bias', 'steps/2')),
        ('sscnet', 66, ('res2', 'logit_1_1', 'loss/total')),
    ],
)  # fmt: skip
def test_tiny_models_with_losses_gradients_and_steps(
    run_tool: RunTool, kind: str, figures: int, names: tuple[str, ...]
) -> None:
    status, text = run_tool(kind, '--manifest', manifest(kind, tiny=True), '--case', TINY)
    assert status == 0, text
    assert f'{figures} figures compared' in text and 'not checked' not in text
    for name in names:
        assert f'\n{kind}/{name} ' in text


def test_single_parts(run_tool: RunTool) -> None:
    status, text = run_tool('lmscnet', '--units', UNITS)
    assert status == 0, text
    assert '78 figures compared' in text and 'not checked' not in text


@pytest.mark.parametrize('fault', ['axes', 'order', 'rectified'])
def test_faults_are_found(run_tool: RunTool, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    kind = 'sscnet' if fault == 'order' else 'lmscnet-ss'
    if fault == 'axes':
        # Kernels read as if they had the axes x, y, z.
        same = (lambda weight: weight, lambda weight: weight)
        monkeypatch.setitem(key_map.TRANSFORMS, 'zxy_to_xyz', same)
    elif fault == 'order':
        join = SimpleNamespace(cat=lambda parts, dim: torch.cat(parts[::-1], dim))
        monkeypatch.setattr(sscnet_trunk, 'torch', join)
    else:
        monkeypatch.setattr(plane_unet, 'F', SimpleNamespace(relu=lambda x: x))
    options = ('--forward-only', '--failures-only')
    status, text = run_tool(kind, '--manifest', manifest(kind, tiny=True), '--case', TINY, *options)
    assert status == 1 and 'logit_1_1 ' in text


def test_a_case_of_another_model_is_refused(run_tool: RunTool) -> None:
    status, text = run_tool('lmscnet', '--manifest', manifest('lmscnet'), '--case', CARLA)
    assert status == 2 and 'a case' in text


def test_figures_of_carlasc_need_the_weights(run_tool: RunTool) -> None:
    kind = 'lmscnet-ss'
    status, text = run_tool(
        f'carla-{kind}', '--manifest', DATA / f'manifest_carla_{kind}.csv', '--case', CARLA
    )
    assert status == 2 and '--weights FILE' in text and 'configs/lmscnet/README.md' in text


@pytest.mark.parametrize('kind', list(WEIGHTS))
def test_published_weights_of_carlasc(run_tool: RunTool, carlasc_weights: Path, kind: str) -> None:
    status, text = run_tool(
        f'carla-{kind}', '--manifest', DATA / f'manifest_carla_{kind}.csv', '--case', CARLA,
        '--weights', carlasc_weights / WEIGHTS[kind],
    )  # fmt: skip
    assert status == 0, text
    assert f'\n{kind}/synthetic/loss ' in text and 'Without the scan 00/000000' in text


@pytest.mark.parametrize('kind', list(WEIGHTS))
def test_published_weights_of_carlasc_on_a_scan_of_kitti(
    run_tool: RunTool, carlasc_weights: Path, real_frames: Path, kind: str
) -> None:
    status, text = run_tool(
        f'carla-{kind}', '--manifest', DATA / f'manifest_carla_{kind}.csv', '--case', CARLA,
        '--weights', carlasc_weights / WEIGHTS[kind], '--data', real_frames,
    )  # fmt: skip
    assert status == 0, text
    assert f'\n{kind}/kitti/logit ' in text and 'not checked' not in text


@pytest.mark.slow
@pytest.mark.parametrize('kind', ['lmscnet', 'lmscnet-ss', 'sscnet-full'])
def test_full_size(run_tool: RunTool, kind: str) -> None:
    case = DATA / f'case_{kind}_1.npz'
    status, text = run_tool(kind, '--manifest', manifest(kind), '--case', case)
    assert status == 0, text
    assert 'not checked' not in text


def test_a_wrong_figure_is_found(run_tool: RunTool, tmp_path: Path) -> None:
    with np.load(TINY) as file:
        arrays = {key: file[key] for key in file.files}
    key = 'sscnet/grad/l2'
    arrays[key] = arrays[key] * 1.003
    np.savez(tmp_path / 'case_tiny_1.npz', **arrays)
    case = tmp_path / 'case_tiny_1.npz'
    status, text = run_tool('sscnet', '--manifest', manifest('sscnet'), '--case', case)
    assert status == 1 and 'grad/conv1_1.weight' in text
