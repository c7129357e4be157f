"""The reference's figures for each loss, with the gradients."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mmssc.models.losses import (
    GeometricScalLoss,
    LovaszSoftmaxLoss,
    SemanticScalLoss,
    VoxelCrossEntropyLoss,
)
from mmssc.parity import reference_fill as fill

UNITS = np.load(Path(__file__).parents[2] / 'data' / 'parity' / 'sgn' / 'units_1.npz')
CASES = {'semantickitti': 20, 'kitti360': 19}


def make_loss(term: str, weights: np.ndarray) -> torch.nn.Module:
    if term == 'ce':
        return VoxelCrossEntropyLoss(class_weight=weights.tolist())
    return SemanticScalLoss() if term == 'sem_scal' else GeometricScalLoss()


@pytest.mark.parametrize('case, classes', CASES.items())
@pytest.mark.parametrize('term', ['ce', 'sem_scal', 'geo_scal'])
def test_voxel_loss(case: str, classes: int, term: str) -> None:
    root = f'loss/{case}'
    name = f'loss_logits_{classes}'
    logits = torch.from_numpy(fill.normal(name, (1, classes, 32, 32, 8), 1, 2.0)).requires_grad_()
    target = torch.from_numpy(UNITS[f'{root}/target'])[None]
    value = make_loss(term, UNITS[f'{root}/class_weights'])(logits, target)
    value.backward()
    assert value.item() == pytest.approx(float(UNITS[f'{root}/{term}']), rel=1e-6)
    norm = float(UNITS[f'{root}/{term}_grad_l2'])
    assert logits.grad.double().norm().item() == pytest.approx(norm, rel=1e-5)
    probed = logits.grad.flatten()[UNITS[f'{root}/{term}_grad/idx'].astype(np.int64)]
    expected = UNITS[f'{root}/{term}_grad/val']
    np.testing.assert_allclose(probed, expected, rtol=1e-4, atol=1e-6 * norm)


@pytest.mark.parametrize('case, classes', CASES.items())
def test_seed_losses(case: str, classes: int) -> None:
    name = f'loss_seed_logits_{classes}'
    logits = torch.from_numpy(fill.normal(name, (600, classes), 1, 2.0)).requires_grad_()
    labels = fill.integers(f'loss_seed_target_{classes}', (600,), 1, 0, classes + 3)
    target = torch.from_numpy(np.where(labels >= classes, 255, labels))
    entropy = VoxelCrossEntropyLoss()(logits, target)
    assert entropy.item() == pytest.approx(float(UNITS[f'loss/{case}/seed_ce']), rel=1e-6)
    lovasz = LovaszSoftmaxLoss()(logits, target)
    assert lovasz.item() == pytest.approx(float(UNITS[f'loss/{case}/lovasz']), rel=1e-6)
    expected = float(UNITS[f'loss/{case}/lovasz_grad_l2'])
    assert torch.autograd.grad(lovasz, logits)[0].norm().item() == pytest.approx(expected, rel=1e-4)
