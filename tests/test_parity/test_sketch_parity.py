"""3D-Sketch against the figures of the official implementation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from mmssc.testing import parity_sketch
from mmssc.testing.parity import ParityCase, ParityReport
from mmssc.testing.parity_sketch import build_sketch, check_image_branch, check_sketch_branch
from mmssc.testing.parity_sketch_inputs import SketchCaseInputs, check_inputs, make_inputs

ROOT = Path(__file__).parents[2]
DATA = ROOT / 'tests' / 'data' / 'parity' / 'sketch'
MANIFEST, CASE = DATA / 'manifest.csv', DATA / 'case_1.npz'
ARGUMENTS = ('sketch', '--manifest', MANIFEST, '--case', CASE)
RunTool = Callable[..., tuple[int, str]]


@pytest.fixture
def run_tool(tool_in_process: Callable[[str], RunTool]) -> RunTool:
    return tool_in_process('analysis_tools/check_parity.py')


@pytest.fixture(scope='module')
def golden() -> tuple[parity_sketch.SketchCompletor, SketchCaseInputs]:
    return build_sketch(MANIFEST, 1), make_inputs(1, 1)


def test_inputs() -> None:
    case, report = ParityCase(CASE), ParityReport()
    check_inputs(make_inputs(1, 1), case, report)
    assert report.ok and len(report.rows) == 5, report.failures
    check_inputs(make_inputs(2, 1), case, report)
    assert len(report.failures) == 5


def test_image_branch(golden) -> None:
    """Encoder, projection and lifting of the full-size case."""
    case, report = ParityCase(CASE), ParityReport()
    check_image_branch(*golden, case, report)
    assert report.ok, report.failures
    assert [row.name for row in report.rows] == [
        'eval.backbone', 'eval.stage2.downsample', 'eval.stage2.projected'
    ]  # fmt: skip


def test_sketch_branch(golden) -> None:
    """The whole first stage of the full-size case."""
    case, report = ParityCase(CASE), ParityReport()
    check_sketch_branch(*golden, case, report)
    assert report.ok, report.failures
    names = {row.name for row in report.rows}
    assert {'eval.stage1.up2', 'eval.cvae.decoder_x', 'eval.sketch_prior', 'mean.sketch_prior',
            'eval.sketch_raw.argmax_bits'} <= names  # fmt: skip


def test_units(run_tool: RunTool) -> None:
    status, text = run_tool('sketch', '--units', DATA / 'unit_1.npz')
    assert status == 0, text
    assert '32 figures compared' in text and 'not checked' not in text


@pytest.mark.slow
@pytest.mark.parametrize('config', [None, 'sketch_r50_nyu.py'])
def test_full_size(config: str | None, run_tool: RunTool) -> None:
    more = () if config is None else ('--config', ROOT / 'configs/sketch' / config)
    status, text = run_tool(*ARGUMENTS, *more)
    assert status == 0, text
    for name in (
        'eval.semantic',
        'mean.semantic',
        'train.semantic',
        'train.log_var',
        'loss.total',
        'loss.kl',
        'metric.confusion',
        'metric.sc',
        'grad.none_count',
    ):
        assert f'\n{name} ' in text
    assert text.count('\ngrad.') == 15 and '61 figures compared' in text
    assert 'not checked' not in text


def test_a_broken_weight_is_found(golden) -> None:
    """Only from the layer on that it belongs to."""
    model, made = golden
    weight = model.tsdf_encoder.cvae.condition.blocks[1].conv.weight
    whole = weight.detach().clone()
    case, report = ParityCase(CASE), ParityReport()
    with torch.no_grad():
        weight.copy_(whole.flip(0))
        check_sketch_branch(model, made, case, report)
        weight.copy_(whole)
    failed = {row.name for row in report.failures}
    assert failed == {'eval.cvae.decoder_x', 'eval.sketch_prior', 'mean.sketch_prior',
                      'eval.sketch_prior.argmax_histogram'}  # fmt: skip


@pytest.mark.slow
def test_wrong_unit_figures_are_found(run_tool: RunTool, tmp_path: Path) -> None:
    with np.load(DATA / 'unit_1.npz') as file:
        arrays = {key: file[key] for key in file.files}
    arrays['sketch.sum'] = arrays['sketch.sum'] + 1
    arrays['metric.sc'] = arrays['metric.sc'] * 1.001
    arrays['room.mapping'] = np.roll(arrays['room.mapping'], 1)
    np.savez(tmp_path / 'unit.npz', **arrays)
    status, text = run_tool('sketch', '--units', tmp_path / 'unit.npz', '--failures-only')
    assert status == 1 and '3 failed' in text
