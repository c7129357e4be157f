"""CleanerS against the figures of the official implementation, through the command line tool."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mmssc.checkpoints import get_method
from mmssc.parity.report import ParityCase, ParityReport
from mmssc.parity.rgbd import common as parity_rgbd
from mmssc.parity.rgbd.cleaners import STUDENT_SEED, build_student, check_synthetic
from mmssc.parity.rgbd.common import capture_levels, check_image_arrays, load_filled
from mmssc.parity.rgbd.inputs import make_inputs, make_mapping, synthetic_batch

ROOT = Path(__file__).parents[2]
DATA = ROOT / 'tests' / 'data' / 'parity' / 'cleaners'
MANIFEST, CASE = DATA / 'manifest.csv', DATA / 'case_1.npz'
ARGUMENTS = ('cleaners', '--manifest', MANIFEST, '--case', CASE)
RunTool = Callable[..., tuple[int, str]]


def test_losses_and_scores_without_a_network() -> None:
    case, report = ParityCase(CASE), ParityReport()
    check_synthetic(build_student(MANIFEST), 1, case, report)
    assert report.ok, report.failures
    names = {row.name for row in report.rows}
    assert {'synth.loss_kd_t', 'synth.loss_kd_sc', 'synth.loss_kd_sa', 'synth.loss2d',
            'synth.loss3d', 'synth.cm_ssc', 'synth.cm_sc', 'synth.cm_2d'} <= names  # fmt: skip


def test_image_branch() -> None:
    """Encoder, head and lifting of the full-size case."""
    case, report = ParityCase(CASE), ParityReport()
    model = load_filled(build_student(MANIFEST), get_method('cleaners'), MANIFEST, 1 + STUDENT_SEED)
    inputs = make_inputs(1).inputs
    with torch.no_grad(), capture_levels(model) as levels:
        outputs = model.image_volume(inputs)
        check_image_arrays(model, outputs, levels, inputs, case, report, 'student.')
    assert report.ok and len(report.rows) == 9, report.failures


@pytest.mark.slow
def test_forward(run_tool: RunTool) -> None:
    status, text = run_tool(*ARGUMENTS, '--forward-only')
    assert status == 0, text
    for name in ('teacher.enc_c4', 'student.proj3d', 'student.fused3d', 'teacher.logit3d',
                 'student.logit3d_aug', 'loss_kd_sa', 'loss_total', 'teacher.loss_total',
                 'student.centred.cm_sc', 'synth.loss_kd_s', 'synth.cm_2d'):  # fmt: skip
        assert f'\n{name} ' in text
    assert '101 figures compared' in text
    assert 'not checked' not in text


@pytest.mark.slow
@pytest.mark.parametrize('config', [None, 'cleaners_segformer-b2_nyu.py'])
def test_gradients(config: str | None, run_tool: RunTool) -> None:
    more = () if config is None else ('--config', ROOT / 'configs/cleaners' / config)
    status, text = run_tool(*ARGUMENTS, *more)
    assert status == 0, text
    assert text.count('\ngrad/') == 10 and '\ngrad.num ' in text and '\ngrad_kd_t_feat ' in text
    assert '115 figures compared' in text and 'not checked' not in text


@pytest.mark.slow
def test_a_broken_weight_is_found(run_tool: RunTool, monkeypatch: pytest.MonkeyPatch) -> None:
    fill = parity_rgbd.fill_checkpoint

    def fill_wrong(*arguments: object) -> dict[str, Tensor]:
        state = fill(*arguments)
        # Queries and keys are exchanged in one block.
        stem = 'encoder.block4.1.attn'
        query = state[f'{stem}.q.weight'].clone()
        state[f'{stem}.q.weight'] = state[f'{stem}.kv.weight'][:512].clone()
        state[f'{stem}.kv.weight'][:512] = query
        return state

    monkeypatch.setattr(parity_rgbd, 'fill_checkpoint', fill_wrong)
    status, text = run_tool(*ARGUMENTS, '--forward-only', '--failures-only')
    failed = text[text.index('figures compared') :]
    assert status == 1
    for name in ('student.enc_c4', 'teacher.logit3d', 'loss_total'):
        assert f'\n{name} ' in failed
    assert '\nteacher.enc_c3' not in failed and '\nsynth' not in failed


def test_units_are_refused(run_tool: RunTool) -> None:
    status, text = run_tool('cleaners', '--units', DATA / 'case_1.npz')
    assert status == 2 and 'expected a case file' in text


def test_inputs_are_as_the_recipe_words_them() -> None:
    voxel_to_pixel, pixel_to_voxel = make_mapping(1)
    assert (voxel_to_pixel >= 0).sum() == 8192 and (pixel_to_voxel >= 0).sum() == 8128
    made, other = make_inputs(1), make_inputs(2)
    assert made.inputs['img'].shape == (1, 1, 3, 480, 640)
    assert not torch.equal(made.inputs['tsdf'], made.inputs['tsdf_clean'])
    assert not torch.equal(made.inputs['tsdf'], other.inputs['tsdf'])
    ignored = (made.sample.gt_voxels == 255).float().mean()
    assert 0.045 < ignored < 0.055 and 0.59 < made.sample.label_weight.float().mean() < 0.61
    batch = synthetic_batch(1)
    first, second = batch.samples
    assert not torch.equal(first.gt_voxels, second.gt_voxels)
    assert batch.logits_3d.shape == (2, 12, 60, 36, 60)
