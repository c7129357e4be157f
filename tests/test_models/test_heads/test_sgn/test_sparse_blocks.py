"""Sparse layers against the reference's figures."""

import pytest
import torch
from reference_units import load_unit

from mmssc.models.heads.sgn.multi_scale_pooling import MultiScalePooling
from mmssc.models.heads.sgn.sparse_blocks import SparseGuidance, SparseResidualBlock
from mmssc.ops import SparseIndex

BN = dict(type='BN')
GUIDANCE = ('pts_bbox_head.sgb', 'head.sparse_guidance')
BLOCK = ('pts_bbox_head.sgb.conv_block.spconv_layers.0', 'head.sparse_guidance.block')
POOLING = ('pts_bbox_head.sgb.proj_block', 'head.sparse_guidance.attention')


@pytest.fixture
def scene(unit_cases):
    """Features, and the index with axes (z, y, x) and (x, y, z)."""
    coords = torch.from_numpy(unit_cases['sparse/coords_xyz'])
    batch = torch.zeros(len(coords), 1, dtype=torch.int64)
    zyx = SparseIndex(torch.cat([batch, coords.flip(1)], dim=1), (8, 12, 16), 1)
    xyz = SparseIndex(torch.cat([batch, coords], dim=1), (16, 12, 8), 1)
    return torch.from_numpy(unit_cases['sparse/feats']), dict(zyx=zyx, xyz=xyz)


def _close(actual, expected):
    expected = torch.from_numpy(expected)
    assert (actual - expected).abs().max() <= 1e-5 * expected.std()


@pytest.mark.parametrize('order', ['zyx', 'xyz'])
def test_residual_block(unit_cases, scene, order):
    features, indices = scene
    block = load_unit(SparseResidualBlock(8, BN), unit_cases, 'basic_block', *BLOCK)
    _close(block(features, indices[order]), unit_cases[f'sparse/basic_block_{order}'])


def test_residual_block_with_batch_statistics(unit_cases, scene):
    features, indices = scene
    block = load_unit(SparseResidualBlock(8, BN), unit_cases, 'basic_block', *BLOCK).train()
    _close(block(features, indices['zyx']), unit_cases['sparse/basic_block_zyx_train_bn'])


def test_multi_scale_pooling(unit_cases, scene):
    features, indices = scene
    pooling = load_unit(MultiScalePooling(8, 8, 8), unit_cases, 'sgfe', *POOLING)
    _close(pooling(features, indices['zyx']), unit_cases['sparse/sgfe'])


def test_sparse_guidance_and_its_gradients(unit_cases, scene):
    features, indices = scene
    features.requires_grad_()
    guidance = load_unit(SparseGuidance(8, BN), unit_cases, 'sgb', *GUIDANCE)
    output = guidance(features, indices['zyx'])
    _close(output, unit_cases['sparse/sgb'])
    output.square().sum().backward()
    _close(features.grad, unit_cases['sparse/sgb_sq_grad_feats'])
    norms = sorted(float(parameter.grad.norm()) for parameter in guidance.parameters())
    expected = sorted(unit_cases['sparse/sgb_sq_grad_l2'])
    torch.testing.assert_close(norms, [float(norm) for norm in expected], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize('rows', [0, 1])
def test_training_with_too_few_rows_for_statistics(rows):
    guidance = SparseGuidance(8, BN).train()
    before = guidance.block.norm1.running_mean.clone()
    index = SparseIndex(torch.zeros(rows, 4, dtype=torch.int64), (4, 4, 4), 1)
    output = guidance(torch.randn(rows, 8), index)
    output.sum().backward()
    assert output.shape == (rows, 8)
    assert torch.isfinite(output).all()
    assert torch.equal(guidance.block.norm1.running_mean, before)
    assert all(parameter.grad is not None for parameter in guidance.parameters())


def test_a_sample_does_not_depend_on_the_rest_of_the_batch():
    guidance = SparseGuidance(8, BN).eval()
    coords = (torch.rand(2, 6, 5, 4) < 0.4).nonzero()
    features = torch.randn(len(coords), 8)
    both = guidance(features, SparseIndex(coords, (6, 5, 4), 2))
    for number in range(2):
        rows = coords[:, 0] == number
        alone = coords[rows].clone()
        alone[:, 0] = 0
        output = guidance(features[rows], SparseIndex(alone, (6, 5, 4), 1))
        torch.testing.assert_close(both[rows], output, rtol=1e-5, atol=1e-6)


def test_recomputation_changes_no_figure_and_stores_less():
    index = SparseIndex((torch.rand(1, 8, 8, 8) < 0.5).nonzero(), (8, 8, 8), 1)
    features = torch.randn(len(index), 16)
    weights = SparseGuidance(16, BN).state_dict()
    results, stored = [], []

    def note(tensor):
        if tensor.is_floating_point():
            stored[-1][tensor.data_ptr()] = tensor.numel()
        return tensor

    for with_cp in (False, True):
        guidance = SparseGuidance(16, BN, with_cp).train()
        guidance.load_state_dict(weights)
        rows = features.clone().requires_grad_()
        stored.append({})
        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            output = guidance(rows, index)
        gradients = torch.autograd.grad(output.square().sum(), [rows, *guidance.parameters()])
        results.append((output, *gradients, *guidance.buffers()))
    for plain, recomputed in zip(*results):
        assert torch.equal(plain, recomputed)
    plain, recomputed = (sum(one.values()) for one in stored)
    assert recomputed < 0.6 * plain
