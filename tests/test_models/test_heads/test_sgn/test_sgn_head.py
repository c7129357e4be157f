"""Proposals and losses of the SGN head."""

import pytest
import torch
from mmengine.config import Config
from tiny_sgn import BASE, GRID, build_tiny_sgn, collate, make_sample

from mmssc.errors import DataError
from mmssc.models.heads.sgn.sgn_head import select_proposals
from mmssc.registry import MODELS


def test_proposals_are_the_positive_logits_of_each_sample():
    logits = torch.tensor([[1.0, -1.0, 2.0, 0.0], [-1.0, -2.0, 3.0, -1.0]]).view(2, 2, 2, 1)
    chosen = select_proposals(logits).flatten(1)
    assert chosen.tolist() == [[True, False, True, False], [True] * 4]


def test_cap_keeps_the_highest_logits():
    logits = torch.randn(2, 4, 4, 2)
    chosen = select_proposals(logits, max_proposals=5)
    for sample, mask in zip(logits, chosen):
        assert mask.sum() == 5
        assert sample[mask].min() >= sample[~mask & (sample > 0)].max()
    few = torch.full((1, 2, 2, 2), -1.0)
    few[0, 0, 0] = 1.0
    assert select_proposals(few, max_proposals=5).sum() == 2


def test_capped_model_trains():
    model = build_tiny_sgn(max_proposals=7)
    data = collate(model, make_sample(0), make_sample(1))
    outputs = model(**data, mode='tensor')
    assert outputs['proposal'].flatten(1).sum(1).tolist() == [7, 7]
    assert outputs['seed_logits'].shape == (14, 20)


def test_missing_and_wrong_targets_name_the_sample():
    model = build_tiny_sgn()
    data = collate(model, make_sample(3))
    del data['data_samples'][0].gt_voxels_1_2
    with pytest.raises(DataError, match='00/000003: gt_voxels_1_2'):
        model(**data, mode='loss')
    data = collate(model, make_sample(3))
    data['data_samples'][0].gt_voxels = torch.zeros(8, 8, 8, dtype=torch.uint8)
    with pytest.raises(DataError, match=r'gt_voxels: expected \(32, 32, 8\)'):
        model(**data, mode='loss')


def test_another_resolution_than_that_of_the_points_head_is_named():
    config = Config.fromfile(BASE).model
    config.backbone.update(depth=18, init_cfg=None)
    config.neck.update(in_channels=[256], out_channels=16)
    config.head.update(embed_dims=16, diffusion_depth=1)
    model = MODELS.build(dict(config, voxel_grid=GRID.to_dict(), feature_scale=4))
    with pytest.raises(DataError, match=r'proposals: expected \(8, 8, 2\), found \(16, 16, 4\)'):
        model(**collate(model, make_sample(3)), mode='tensor')
