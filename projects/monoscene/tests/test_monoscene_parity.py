"""MonoScene against the figures of the official implementation, by the tool and its --project."""

from __future__ import annotations

import numpy as np
import pytest


def arguments(data, kind):
    method = 'monoscene' if kind == 'full' else f'monoscene-{kind}'
    manifest = data / ('manifest_full_case.csv' if kind == 'full' else f'manifest_{kind}.csv')
    return method, '--manifest', manifest, '--case', data / f'{kind}_case_1.npz'


def test_indoor_volume_network(run_parity, monoscene_data):
    status, text = run_parity(*arguments(monoscene_data, 'nyu3d'))
    assert status == 0, text
    for name in ('projected_pix', 'x3d', 'CP_mega_voxels', 'ssc_logits', 'P_logits',
                 'loss/relation', 'loss/frustum', 'metric/iou_ssc_mean'):  # fmt: skip
        assert f'\n{name} ' in text
    assert text.count('\ngrad/') == 281 and 'not checked' not in text


@pytest.mark.slow
def test_outdoor_volume_network(run_parity, monoscene_data):
    status, text = run_parity(*arguments(monoscene_data, 'kitti3d'))
    assert status == 0, text
    assert text.count('\ngrad/') == 285 and 'not checked' not in text


@pytest.mark.slow
@pytest.mark.usefixtures('geffnet')
def test_whole_network(run_parity, monoscene_data):
    status, text = run_parity(*arguments(monoscene_data, 'full'))
    assert status == 0, text
    assert '\nefficientnet.11 ' in text and '\nfeats.1_8 ' in text
    assert text.count('\ngrad/') == 1046 and 'not checked' not in text


def test_wrong_figures_are_found(run_parity, monoscene_data, tmp_path):
    with np.load(monoscene_data / 'nyu3d_case_1.npz') as file:
        case = {key: file[key] for key in file.files}
    case['loss/relation'] = case['loss/relation'] * 1.001
    case['P_logits/val'] = case['P_logits/val'] + 0.01
    np.savez(tmp_path / 'nyu3d_case_1.npz', **case)
    method, _, manifest, *_ = arguments(monoscene_data, 'nyu3d')
    status, text = run_parity(
        method, '--manifest', manifest, '--case', tmp_path / 'nyu3d_case_1.npz',
        '--forward-only', '--failures-only',
    )  # fmt: skip
    assert status == 1 and '2 failed' in text
    assert '\nloss/relation ' in text and '\nP_logits ' in text


def test_a_wrong_small_gradient_is_found(run_parity, monoscene_data, tmp_path):
    """The smallest norm counts as much as the largest, 20000 times it."""
    with np.load(monoscene_data / 'nyu3d_case_1.npz') as file:
        case = {key: file[key] for key in file.files}
    number = np.nanargmin(case['grad/norm'])
    case['grad/norm'][number] *= 1.002
    np.savez(tmp_path / 'nyu3d_case_1.npz', **case)
    method, _, manifest, *_ = arguments(monoscene_data, 'nyu3d')
    status, text = run_parity(
        method, '--manifest', manifest, '--case', tmp_path / 'nyu3d_case_1.npz', '--failures-only'
    )
    assert status == 1 and '1 failed' in text and f'grad/{case["grad/names"][number]} ' in text


def test_wrong_manifest_is_refused(run_parity, monoscene_data):
    case = monoscene_data / 'nyu3d_case_1.npz'
    manifest = monoscene_data / 'manifest_kitti3d.csv'
    status, text = run_parity('monoscene-nyu3d', '--manifest', manifest, '--case', case)
    assert status == 2 and 'expected that of nyu3d' in text


def test_unknown_method_is_named_with_the_known_ones(run_parity, monoscene_data):
    case = monoscene_data / 'nyu3d_case_1.npz'
    status, text = run_parity('monoscen', '--manifest', case, '--case', case)
    assert status == 2 and 'monoscene-kitti3d' in text and 'sgn-T' in text
