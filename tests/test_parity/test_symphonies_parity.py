"""Symphonies against the figures of the official implementation, through the command line tool."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from mmssc.parity.symphonies import gradients as gradients
from mmssc.parity.symphonies import recipe as parity_symphonies

DATA = Path(__file__).parents[1] / 'data' / 'parity' / 'symphonies'
FLAT = DATA / 'manifest_decoder_flat.csv'
SMALL = DATA / 'manifest_small.csv'
RunTool = Callable[..., tuple[int, str]]


def check(run_tool: RunTool, method: str, manifest: Path, case: Path, *more: object):
    return run_tool(method, '--manifest', manifest, '--case', case, *more)


def change_case(path: Path, source: Path, changes: dict[str, np.ndarray]) -> Path:
    with np.load(source) as file:
        np.savez(path, **{**{key: file[key] for key in file.files}, **changes})
    return path


def test_decoder_without_up_sampling_and_its_gradients(run_tool: RunTool) -> None:
    case = DATA / 'decoder_flat_case_1.npz'
    status, text = check(run_tool, 'symphonies-decoder', FLAT, case)
    assert status == 0, text
    for name in ('projected_pix', 'vol_pts', 'proposal_mask/packed', 'ref_3d', 'scene_pos',
                 'voxel_proposal', 'layers.0.query_image_cross_defrom_attn',
                 'layers.1.scene_self_deform_attn', 'layers.2.inst_queries', 'aspp',
                 'ssc_logits.0', 'ssc_logits.2', 'objective', 'grad/input:pred_pts',
                 'grad/decoder.scene_embed.weight'):  # fmt: skip
        assert f'\n{name} ' in text
    assert '240 figures compared' in text and 'not checked' not in text


def test_a_case_without_gradients_is_a_forward_pass(run_tool: RunTool, tmp_path: Path) -> None:
    case = tmp_path / 'case.npz'
    with np.load(DATA / 'decoder_flat_case_1.npz') as file:
        np.savez(case, **{key: file[key] for key in file.files if not key.startswith('grad')})
    status, text = check(run_tool, 'symphonies-decoder', FLAT, case)
    assert status == 0, text
    assert 'no gradients' in text and '\nobjective ' in text and '\ngrad' not in text


def test_wrong_figures_are_found(run_tool: RunTool, tmp_path: Path) -> None:
    source = DATA / 'decoder_flat_case_1.npz'
    with np.load(source) as file:
        logits, mask = file['ssc_logits.1/val'], file['proposal_mask/packed']
        layer = file['layers.1.scene_embed/val']
    changes = {
        'ssc_logits.1/val': logits + np.float32(3e-4) * logits.std(),
        'layers.1.scene_embed/val': layer * np.float32(1.001),
        'proposal_mask/packed': mask[::-1],
        'an_array_that_nobody_knows': np.zeros(3),
    }
    case = change_case(tmp_path / 'case.npz', source, changes)
    options = ('--forward-only', '--failures-only')
    status, text = check(run_tool, 'symphonies-decoder', FLAT, case, *options)
    assert status == 1
    assert '3 failed' in text and 'not checked: an_array_that_nobody_knows of case.npz' in text
    for name in changes:
        assert name.split('/val')[0] in text


def test_a_wrong_gradient_is_found(run_tool: RunTool, tmp_path: Path) -> None:
    """Of an array that may be further off than others, and of one that may not."""
    source = DATA / 'decoder_flat_case_1.npz'
    with np.load(source) as file:
        names, norms = file['grad/names'].tolist(), file['grad/norm']
    wrong = {
        'decoder.layers.1.query_self_attn.norm1.bias': 1.0045,
        'decoder.layers.1.query_self_attn.ffn.2.weight': 1.0025,
        'input:pred_pts': 1.0025,
    }
    for name, factor in wrong.items():
        assert norms[names.index(name)] > 0.05
        norms[names.index(name)] *= factor
    case = change_case(tmp_path / 'case.npz', source, {'grad/norm': norms})
    status, text = check(run_tool, 'symphonies-decoder', FLAT, case, '--failures-only')
    assert status == 1 and '3 failed' in text
    assert all(f'grad/{name} ' in text for name in wrong)


@pytest.mark.parametrize('patterns, case', [
    (gradients.LOOSE_IN_DECODER, 'decoder_flat_case_1.npz'),
    (gradients.LOOSE_IN_MODEL, 'small_case_1.npz'),
])  # fmt: skip
def test_arrays_that_may_be_further_off_exist_and_are_not_all(
    patterns: tuple[str, ...], case: str
) -> None:
    with np.load(DATA / case) as file:
        names = file['grad/names'][~np.isnan(file['grad/norm'])].tolist()
    assert all(fnmatch.filter(names, pattern) for pattern in patterns)
    loose = {name for pattern in patterns for name in fnmatch.filter(names, pattern)}
    assert len(loose) < 0.6 * len(names)


def test_model_and_case_must_belong_together(run_tool: RunTool) -> None:
    status, text = check(run_tool, 'symphonies', SMALL, DATA / 'small_case_1.npz')
    assert status == 2 and 'expected those of symphonies-full' in text


@pytest.mark.slow
def test_small_model_and_its_gradients(run_tool: RunTool) -> None:
    status, text = check(run_tool, 'symphonies-small', SMALL, DATA / 'small_case_1.npz')
    assert status == 0, text
    for name in ('pix_z_1', 'frustums_class_dists', 'backbone.3', 'pixel_decoder.3', 'feats.0',
                 'ssc_logits.2', 'metric/mIoU', 'loss/loss_frustum_1', 'loss_total',
                 'grad/encoder.pts_embed.weight',
                 'grad/encoder.model.backbone.bn1.weight: none'):  # fmt: skip
        assert f'\n{name} ' in text
    assert '579 figures compared' in text and 'not checked' not in text


@pytest.mark.slow
def test_a_recomputed_voxel_grid_is_found(
    run_tool: RunTool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The buffer of a checkpoint counts, not the formula."""
    rebuild = parity_symphonies.rebuild_checkpoint

    def other_grid(*arguments):
        state = rebuild(*arguments)
        n = torch.tensor(state['decoder.voxel_grid'].shape[1:]).view(3, 1, 1, 1)
        state['decoder.voxel_grid'] = (state['decoder.voxel_grid'] * (n - 1) + 0.5) / n
        return state

    monkeypatch.setattr(parity_symphonies, 'rebuild_checkpoint', other_grid)
    case = DATA / 'small_case_1.npz'
    status, text = check(run_tool, 'symphonies-small', SMALL, case, '--forward-only')
    assert status == 1 and 'layers.0.scene_self_deform_attn' in text
