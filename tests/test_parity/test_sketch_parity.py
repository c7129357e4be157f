"""3D-Sketch against the figures of the official implementation."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from mmssc.formats.sscnet import write_nyu_depth
from mmssc.parity.report import ParityCase, ParityReport
from mmssc.parity.sketch import recipe as parity_sketch
from mmssc.parity.sketch.inputs import SketchCaseInputs, check_inputs, make_inputs
from mmssc.parity.sketch.recipe import build_sketch, check_image_branch, check_sketch_branch

ROOT = Path(__file__).parents[2]
DATA = ROOT / 'tests' / 'data' / 'parity' / 'sketch'
MANIFEST, CASE = DATA / 'manifest.csv', DATA / 'case_1.npz'
ARGUMENTS = ('sketch', '--manifest', MANIFEST, '--case', CASE)
RunTool = Callable[..., tuple[int, str]]


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
    model, made = golden
    sketches = check_sketch_branch(model, made, case, report)
    check_posterior(model, made, sketches['sketch_raw'], case, report)
    assert report.ok, report.failures
    names = {row.name for row in report.rows}
    assert {'eval.stage1.up2', 'eval.cvae.decoder_x', 'eval.sketch_prior', 'mean.sketch_prior',
            'eval.sketch_raw.argmax_bits'} <= names  # fmt: skip


def check_posterior(
    model: parity_sketch.SketchCompletor,
    made: SketchCaseInputs,
    sketch_raw: Tensor,
    case: ParityCase,
    report: ParityReport,
) -> None:
    """The training branch of the VAE: nothing behind the first stage sends gradients into it."""
    head, targets = model.sketch_head, model.targets(made.samples)
    sketch = sketch_raw.argmax(1, keepdim=True).float()
    mean, log_var = head.cvae.encode(sketch, targets['sketch'][:, None].float())
    codes = mean + (log_var / 2).exp() * made.codes['noise_posterior']
    posterior = head.cvae.decode(head.cvae.condition(sketch), codes)
    for name, found in (('mean', mean), ('log_var', log_var), ('sketch_posterior', posterior)):
        report.probed(case, f'train.{name}', found, 1e-4)
    divergence = head.loss_kl(mean, log_var)
    loss = head.losses['posterior'](posterior, targets['sketch'], mask=targets['weight'])
    report.close('loss.kl', divergence / 2, case['loss.kl'], relative=1e-5)
    report.close('loss.sketch_posterior', loss, case['loss.sketch_posterior'], relative=1e-5)
    parameters = {
        'encoder.0.weight': head.cvae.encoder.blocks[0].conv.weight,
        'mean.bias': head.cvae.mean.bias,
        'log_var.weight': head.cvae.log_var.weight,
    }
    gradients = torch.autograd.grad(loss + divergence, list(parameters.values()))
    for name, gradient in zip(parameters, gradients):
        expected = case[f'grad.stage1.cvae.{name}']
        report.close(name, gradient.double().norm(), expected, relative=1e-3)


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
    weight = model.sketch_head.cvae.condition.blocks[1].conv.weight
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


def timed(name: str, function: Callable[[], Tensor]) -> tuple[Tensor, float]:
    """Result, and the least processor time of three runs."""
    seconds = []
    for _ in range(3):
        start = time.process_time()
        result = function()
        seconds.append(time.process_time() - start)
    print(f'{name}: {min(seconds):.2f} s')
    return result, min(seconds)


@pytest.mark.slow
@torch.no_grad()
def test_shorter_ways_are_equal_and_faster(golden) -> None:
    """Lifting and VAE at full size beside the form of the official code (figures with -s)."""
    model, made = golden
    cvae, codes = model.sketch_head.cvae, made.codes['noise']
    features = model.image_volume(made.inputs)['feat2d']
    mapping = made.inputs['voxel_to_pixel']
    sketch = (made.inputs['tsdf'] > 0).float()
    size = tuple(made.inputs['img'].shape[-2:])

    def resize_and_gather() -> Tensor:
        image = functional.interpolate(features, size, mode='bilinear', align_corners=True)
        table = functional.pad(image.flatten(2), (0, 1))
        index = mapping.where(mapping >= 0, table.shape[2] - 1).flatten(1)
        volume = table.gather(2, index[:, None].expand(-1, table.shape[1], -1))
        return volume.unflatten(2, mapping.shape[1:])

    def sample_by_sample() -> Tensor:
        parts = []
        for code in codes:
            pair = torch.cat([cvae.condition(sketch), code], dim=1)
            parts.append(cvae.classifier(cvae.up2(cvae.up1(pair))))
        return torch.stack(parts).mean(0)

    for name, plain, ours in (
        ('lifting', resize_and_gather, lambda: model.lifter.lift(features, size, mapping)),
        ('VAE', sample_by_sample, lambda: cvae.decode(cvae.condition(sketch), codes)),
    ):
        expected, long = timed(f'{name}, official form', plain)
        found, short = timed(f'{name}, ours', ours)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
        assert short < long
    timed('whole prediction', lambda: model.predict_logits(made.inputs))


@pytest.fixture
def distributed(tmp_path: Path) -> Path:
    """The room of the unit cases as raw files, and as 3D-Sketch would distribute them."""
    with np.load(DATA / 'unit_1.npz') as room:
        write_nyu_depth(tmp_path / 'raw/NYU0009_0000.png', room['room.depth_mm'] / 1000)
        (tmp_path / 'raw/NYU0009_0000.bin').write_bytes(room['room.bin'].tobytes())
        np.savez(
            tmp_path / 'real_0009.npz',
            tsdf_arr_0=room['room.tsdf_60'],
            tsdf_arr_1=np.unpackbits(room['room.label_weight_bits']),
            label_arr_0=room['room.label_60'].reshape(-1),
            mapping_arr_0=room['room.mapping'],
        )
    return tmp_path


def test_distributed_frame(run_tool: RunTool, distributed: Path) -> None:
    arguments = ('sketch', '--units', distributed / 'real_0009.npz', '--data', distributed)
    status, text = run_tool(*arguments)
    assert status == 0, text
    assert '5 figures compared' in text and 'not checked' not in text
    figures = 'frame,split,weight,class_0\n0009,test,63176,1\n'
    (distributed / 'nyu_frames.csv').write_text(figures)
    with np.load(distributed / 'real_0009.npz') as file:
        arrays = {key: file[key] for key in file.files}
    arrays['mapping_arr_0'] = np.roll(arrays['mapping_arr_0'], 1)
    arrays['tsdf_arr_0'] = arrays['tsdf_arr_0'] + np.float32(1e-4)
    np.savez(distributed / 'real_0009.npz', **arrays)
    status, text = run_tool(*arguments, '--failures-only')
    assert status == 1
    for name in ('from raw: voxel_to_pixel', 'from raw: tsdf', 'nyu_frames.csv/class_0'):
        assert f'\n{name} ' in text
    assert 'csv/weight' not in text and 'from raw: gt_voxels' not in text


def test_raw_files_of_a_distributed_frame_must_be_there(
    run_tool: RunTool, distributed: Path
) -> None:
    (distributed / 'raw/NYU0009_0000.png').unlink()
    unit = distributed / 'real_0009.npz'
    status, text = run_tool('sketch', '--units', unit, '--data', distributed)
    assert status == 2 and 'NYU0009_0000.png' in text
    status, text = run_tool('sketch', '--units', unit)
    assert status == 0 and '1 figure compared' in text
