from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from mmengine.dataset import pseudo_collate
from torch import nn

from mmssc.apis import RGBDInferencer, read_config
from mmssc.apis.random_samples import random_samples
from mmssc.engine.hooks import HalfPrecisionHook
from mmssc.errors import DataError
from mmssc.models.half_precision import predict_in_half_precision
from mmssc.registry import MODELS
from mmssc.resources import find_config

QUICK = find_config('sgn-T').parents[1] / 'quickstart'
# One of each family; the student of CleanerS and LiDAR methods have the same layers.
NAMES = ['ammnet_synthetic', 'light_synthetic', 'sgn_synthetic', 'sketch_synthetic',
         'symphonies-light_synthetic']  # fmt: skip


def logits_of(model: nn.Module, batch: dict) -> torch.Tensor:
    torch.manual_seed(0)
    return torch.stack([one.voxel_logits for one in model.test_step(batch)])


@pytest.mark.parametrize('name', NAMES)
def test_logits_differ_by_rounding_only(name):
    cfg = read_config(QUICK / f'{name}.py', {'model.test_cfg.keep_logits': True})
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).eval()
    batch = pseudo_collate([random_samples(cfg)(0)])
    with torch.no_grad():
        expected = logits_of(model, batch)
        found = logits_of(predict_in_half_precision(model), batch)
    assert found.dtype == torch.float32 and not torch.equal(found, expected)
    assert (found - expected).norm() < 0.05 * expected.norm()
    # Single voxels at a border of a seed or a sampling cell may differ by more.
    assert ((found - expected).abs() > 0.1 * expected.abs().max()).float().mean() < 0.01


def test_training_stays_as_it_is():
    cfg = read_config(QUICK / 'light_synthetic.py')
    model = MODELS.build(cfg.model)
    batch = pseudo_collate([random_samples(cfg)(0)])
    losses = []
    for change in (lambda model: model, predict_in_half_precision):
        data = change(model).data_preprocessor(batch, True)
        torch.manual_seed(0)
        losses.append(model(**data, mode='loss'))
    assert losses[0].keys() == losses[1].keys()
    assert all(torch.equal(losses[0][name], losses[1][name]) for name in losses[0])


def test_the_hook_of_tests_and_the_inferencers_switch_the_model():
    plain, half = (
        RGBDInferencer('light_depth_nyu', device='cpu', amp=amp).model for amp in (False, True)
    )
    assert plain.prediction_type is None and half.prediction_type is torch.bfloat16
    HalfPrecisionHook().before_test_epoch(SimpleNamespace(model=plain))
    assert plain.prediction_type is torch.bfloat16


def test_a_model_of_another_kind_is_refused():
    with pytest.raises(DataError, match='expected a BaseCompletor, found Linear. Leave --amp out'):
        predict_in_half_precision(nn.Linear(2, 2))
