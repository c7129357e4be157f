"""AMMNet against the figures of the official implementation, through the command line tool."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from mmssc.checkpoints import get_method
from mmssc.errors import DataError
from mmssc.parity.report import ParityCase, ParityReport
from mmssc.parity.rgbd.ammnet import build_ammnet, check_judgements, check_synthetic, fixed_fakes
from mmssc.parity.rgbd.common import load_filled
from mmssc.parity.rgbd.images import check_image_pipeline
from mmssc.parity.rgbd.inputs import make_sample

ROOT = Path(__file__).parents[2]
DATA = ROOT / 'tests' / 'data' / 'parity' / 'ammnet'
MANIFEST, CASE = DATA / 'manifest.csv', DATA / 'case_1.npz'
ARGUMENTS = ('ammnet', '--manifest', MANIFEST, '--case', CASE)
RunTool = Callable[..., tuple[int, str]]


def test_what_needs_no_generator() -> None:
    """Losses and scores of given logits, augmented images, and the full-size discriminator."""
    case, report = ParityCase(CASE), ParityReport()
    model = load_filled(build_ammnet(MANIFEST), get_method('ammnet'), MANIFEST, 1)
    check_image_pipeline(1, case, report)
    check_synthetic(model, 1, case, report)
    check_judgements(model, make_sample(1), 1, case, report)
    assert report.ok, report.failures
    names = {row.name for row in report.rows}
    assert {'synth.loss2d', 'synth.loss3d', 'synth.cm_ssc', 'synth.cm_sc', 'synth.cm_2d',
            'aug2d_a.img', 'aug2d_b.crc32', 'fake_counts', 'disc_layer4_real', 'disc_layer4_rand',
            'disc_rand_logit'} <= names  # fmt: skip
    model.discriminator = None
    with pytest.raises(DataError, match='discriminator'):
        check_judgements(model, make_sample(1), 1, case, report)


@pytest.mark.slow
def test_forward(run_tool: RunTool) -> None:
    status, text = run_tool(*ARGUMENTS, '--forward-only')
    assert status == 0, text
    for name in ('enc_c4', 'proj3d', 'init3d', 'mod1', 'mod2', 'mod3', 'logit3d', 'logit3d_aug_raw',
                 'logit3d_aug', 'loss_adv', 'loss_total', 'loss_adv_misaligned', 'fake_counts',
                 'disc_logits', 'loss_disc', 'centred.cm_sc', 'synth.loss3d', 'aug2d_a.crc32',
                 'aug2d_b.img'):  # fmt: skip
        assert f'\n{name} ' in text, name
    assert 'not checked' not in text


@pytest.mark.slow
@pytest.mark.parametrize('config', [None, 'ammnet_segformer-b2_nyu.py'])
def test_gradients_and_step(config: str | None, run_tool: RunTool) -> None:
    more = () if config is None else ('--config', ROOT / 'configs/ammnet' / config)
    status, text = run_tool(*ARGUMENTS, *more)
    assert status == 0, text
    assert text.count('\ngradG/') == 11 and text.count('\ngradD/') == 5
    for name in ('gradG.num', 'grad_adv_logit3d', 'step.disc_logits', 'step/generator'):
        assert f'\n{name} ' in text, name
    assert 'not checked' not in text


def test_units_are_refused(run_tool: RunTool) -> None:
    status, text = run_tool('ammnet', '--units', CASE)
    assert status == 2 and 'expected a case file' in text


def test_fixed_fakes_are_as_the_recipe_words_them() -> None:
    sample = make_sample(1)
    labels, weight = sample.gt_voxels[None], sample.label_weight[None]
    volumes, (shuffled, erased) = fixed_fakes(labels, weight, 1)
    assert (shuffled, erased) == (3081, 22199)
    real = volumes['real'].argmax(1)
    fake = volumes['shuffled'].argmax(1)
    assert {(a, b) for a, b in zip(real[fake != real].tolist(), fake[fake != real].tolist())} == {
        (3, 7), (8, 2)
    }  # fmt: skip
    assert torch.equal(volumes['real'].sum(1), torch.ones_like(volumes['real'][:, 0]))
