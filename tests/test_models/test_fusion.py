from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.dataset import pseudo_collate
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmssc.apis import RGBDInferencer, read_config
from mmssc.apis.random_samples import random_samples
from mmssc.engine.hooks import FuseForInferenceHook
from mmssc.models.fusion import fuse_for_inference
from mmssc.registry import MODELS
from mmssc.resources import find_config

CONFIGS = find_config('sgn-T').parents[1]
SMALL = sorted((CONFIGS / 'quickstart').glob('*_synthetic.py'))
FULL = sorted(
    path
    for folder in ('ammnet', 'cleaners', 'light', 'sgn', 'sketch', 'symphonies')
    for path in (CONFIGS / folder).glob('*.py')
)


def build(path: Path) -> tuple[nn.Module, dict]:
    """A model with random statistics, and inputs for it."""
    cfg = read_config(path)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).eval()
    for norm in norms(model):
        norm.running_mean.normal_(0, 0.1)
        norm.running_var.uniform_(0.5, 1.5)
    data = model.data_preprocessor(pseudo_collate([random_samples(cfg)(0)]), False)
    return model, data['inputs']


def norms(model: nn.Module) -> list[_BatchNorm]:
    return [module for module in model.modules() if isinstance(module, _BatchNorm)]


def check(path: Path) -> None:
    model, inputs = build(path)
    before = len(norms(model))
    with torch.no_grad():
        expected = model.predict_logits(inputs)
        found = fuse_for_inference(model).predict_logits(inputs)
    assert len(norms(model)) < before
    assert (found - expected).abs().max() < 1e-5 * expected.abs().max()


@pytest.mark.parametrize('path', SMALL, ids=lambda path: path.stem)
def test_a_fused_model_gives_the_same_logits(path):
    check(path)


@pytest.mark.slow
@pytest.mark.parametrize('path', FULL, ids=lambda path: path.stem)
def test_a_fused_model_of_full_size_gives_the_same_logits(path):
    check(path)


def test_every_ddr_block_is_folded_also_its_transposed_convolutions():
    model, _ = build(CONFIGS / 'quickstart' / 'ammnet_synthetic.py')
    assert not norms(fuse_for_inference(model))


class Mine(nn.Module):
    """A block of a user: nothing says that the norm follows the convolution."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv3d(2, 2, 1), nn.BatchNorm3d(2)

    def forward(self, x):
        return self.conv(self.norm(x))


def test_what_cannot_be_folded_stays_as_it_is():
    mine = Mine().eval()
    assert isinstance(fuse_for_inference(mine).norm, nn.BatchNorm3d)
    learning = nn.Sequential(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2))
    assert norms(fuse_for_inference(learning))
    grouped = nn.Sequential(nn.ConvTranspose2d(4, 4, 2, groups=2), nn.BatchNorm2d(4)).eval()
    assert norms(fuse_for_inference(grouped))
    without = nn.Sequential(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2, track_running_stats=False)).eval()
    assert norms(fuse_for_inference(without))
    turned = nn.Sequential(nn.BatchNorm2d(2), nn.Conv2d(2, 2, 1)).eval()
    assert norms(fuse_for_inference(turned))
    watched = nn.Sequential(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2)).eval()
    watched[0].register_forward_hook(lambda *_: None)
    assert norms(fuse_for_inference(watched))


def test_the_hook_of_tests_and_the_inferencers_fold():
    model = nn.Sequential(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2)).train()
    FuseForInferenceHook().before_test_epoch(SimpleNamespace(model=model))
    assert not norms(model) and not model.training
    apart, folded = (RGBDInferencer('light_depth_nyu', fuse=fuse).model for fuse in (False, True))
    assert len(norms(folded)) < len(norms(apart))
