"""``mode='tensor'`` starts with the logits of the predictions; of light: ``test_light.py``."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from mmengine.registry import init_default_scope
from tiny_lidar import build_tiny_lidar
from tiny_lidar import collate as collate_lidar
from tiny_lidar import make_sample as make_lidar_sample
from tiny_rgbd import tiny_ammnet, tiny_batch, tiny_network
from tiny_sgn import build_tiny_sgn, collate, make_sample
from tiny_sketch import tiny_sketch
from tiny_symphonies import build_tiny_symphonies
from tiny_symphonies import collate as collate_symphonies
from tiny_symphonies import make_sample as make_symphonies_sample
from torch import nn

from mmssc.registry import MODELS

RGBD = dict(
    rgbd=tiny_network(),
    cleaners=tiny_network(type='mmssc.CleanerS'),
    ammnet=tiny_ammnet(),
    sketch=tiny_sketch(),
)


def build(method: str) -> tuple[nn.Module, dict[str, Any]]:
    """A tiny model and the arguments of its ``forward``, two samples."""
    init_default_scope('mmssc')
    torch.manual_seed(0)
    if method == 'sgn':
        model = build_tiny_sgn()
        return model, collate(model, make_sample(0), make_sample(1))
    if method == 'symphonies':
        model = build_tiny_symphonies()
        samples = [make_symphonies_sample(seed) for seed in (0, 1)]
        return model, collate_symphonies(model, *samples)
    if method == 'lidar':
        model = build_tiny_lidar()
        return model, collate_lidar(model, make_lidar_sample(0), make_lidar_sample(1))
    inputs, samples = tiny_batch()
    return MODELS.build(RGBD[method]), dict(inputs=inputs, data_samples=samples)


@pytest.mark.parametrize('method', ['sgn', 'symphonies', 'lidar', *RGBD])
def test_logits_come_first(method: str) -> None:
    model, data = build(method)
    model.eval()
    with torch.no_grad():
        tensors = model(**data, mode='tensor')
        samples = model(**data, mode='predict')
    assert next(iter(tensors)) == 'logits'
    logits = tensors['logits']
    assert logits.shape[0] == 2 and logits.shape[2:] == model.voxel_grid.shape
    if method != 'sketch':  # Its codes depend on the names of the frames in 'predict' alone.
        predicted = torch.stack([sample.pred_voxels for sample in samples])
        assert torch.equal(logits.argmax(1), predicted.long())
