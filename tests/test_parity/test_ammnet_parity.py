"""AMMNet against the figures of the official implementation, through the command line tool."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from mmssc.testing import parity_ammnet
from mmssc.testing.parity_rgbd_inputs import make_sample

ROOT = Path(__file__).parents[2]
DATA = ROOT / 'tests' / 'data' / 'parity' / 'ammnet'
ARGUMENTS = ('ammnet', '--manifest', DATA / 'manifest.csv', '--case', DATA / 'case_1.npz')
RunTool = Callable[..., tuple[int, str]]


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
    status, text = run_tool('ammnet', '--units', DATA / 'case_1.npz')
    assert status == 1 and 'expected a case file' in text


def test_fixed_fakes_are_as_the_recipe_words_them() -> None:
    sample = make_sample(1)
    labels, weight = sample.gt_voxels[None], sample.label_weight[None]
    volumes, (shuffled, erased) = parity_ammnet.fixed_fakes(labels, weight, 1)
    assert (shuffled, erased) == (3081, 22199)
    real = volumes['real'].argmax(1)
    fake = volumes['shuffled'].argmax(1)
    assert {(a, b) for a, b in zip(real[fake != real].tolist(), fake[fake != real].tolist())} == {
        (3, 7), (8, 2)
    }  # fmt: skip
    assert torch.equal(volumes['real'].sum(1), torch.ones_like(volumes['real'][:, 0]))
