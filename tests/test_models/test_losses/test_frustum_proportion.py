"""The frustum proportion loss against its definition, frustum by frustum."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mmssc.models.losses import FrustumProportionLoss, SemanticScalLoss
from mmssc.models.losses.volume_losses import volume_losses
from mmssc.registry import MODELS
from mmssc.structures import SSCDataSample

K, SHAPE = 4, (5, 4, 3)


def make_batch(batch: int = 2, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(batch, K, *SHAPE, generator=generator, dtype=torch.float64)
    target = torch.randint(0, K, (batch, *SHAPE), generator=generator, dtype=torch.uint8)
    target[torch.rand(target.shape, generator=generator) < 0.2] = 255
    index = torch.randint(0, 6, (batch, *SHAPE), generator=generator, dtype=torch.uint8)
    index[index == 5] = 255
    # A frustum without a labelled voxel.
    target[index == 4] = 255
    return logits.float(), target, index


def by_definition(logits: Tensor, target: Tensor, index: Tensor) -> Tensor:
    """One set of voxels: (K, V), (V,), (V,)."""
    probability = logits.double().softmax(0)
    terms = []
    for frustum in range(5):
        mask = (index == frustum) & (target != 255)
        if not mask.any():
            continue
        mass = probability[:, mask].sum(1)
        predicted = mass / mass.sum()
        share = torch.bincount(target[mask].long(), minlength=K) / mask.sum()
        held = share > 0
        terms.append((share[held] * (share[held].log() - predicted[held].log())).sum())
    return torch.stack(terms).mean()


@pytest.mark.parametrize('reduction', ['sample', 'batch'])
def test_equals_the_definition(reduction: str) -> None:
    logits, target, index = make_batch()
    ours, theirs = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    value = FrustumProportionLoss(reduction=reduction)(ours, target, index)
    if reduction == 'sample':
        samples = zip(theirs.flatten(2), target.flatten(1), index.flatten(1))
        expected = torch.stack([by_definition(*sample) for sample in samples]).mean()
    else:
        pooled = theirs.transpose(0, 1).flatten(1)
        expected = by_definition(pooled, target.flatten(), index.flatten())
    assert value.item() == pytest.approx(expected.item(), rel=1e-6)
    value.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-7)


def test_right_proportions_cost_nothing() -> None:
    target = torch.tensor([0, 1, 1, 1]).view(1, 4, 1, 1)
    logits = torch.tensor([0.25, 0.75]).log().view(1, 2, 1, 1, 1).expand(1, 2, 4, 1, 1)
    loss = FrustumProportionLoss(loss_weight=3)
    assert loss(logits, target, torch.zeros_like(target)).item() == pytest.approx(0, abs=1e-6)
    # Frustum 0 holds (1, 0), frustum 1 (0, 1): -log(1/4) and -log(3/4).
    index = torch.tensor([0, 1, 1, 1]).view(1, 4, 1, 1)
    expected = 3 * (torch.tensor([0.25, 0.75]).log().neg().mean())
    assert loss(logits, target, index).item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize('nothing', ['label', 'frustum'])
def test_nothing_to_compare_gives_zero_with_a_graph(nothing: str) -> None:
    logits, target, index = make_batch()
    target, index = (
        (torch.full_like(target, 255), index)
        if nothing == 'label'
        else (target, torch.full_like(index, 255))
    )
    logits.requires_grad_()
    value = FrustumProportionLoss()(logits, target, index)
    assert value.item() == 0
    value.backward()
    assert not logits.grad.any()


def test_a_certain_and_wrong_prediction_is_finite() -> None:
    logits, target, index = make_batch()
    logits = (1e4 * logits).requires_grad_()
    value = FrustumProportionLoss()(logits, target, index)
    value.backward()
    assert value.isfinite() and logits.grad.isfinite().all()


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_is_computed_in_float32(dtype: torch.dtype) -> None:
    logits, target, index = make_batch()
    loss = FrustumProportionLoss()
    rounded = logits.to(dtype)
    assert torch.equal(loss(rounded, target, index), loss(rounded.float(), target, index))


def test_arguments_are_checked() -> None:
    logits, target, index = make_batch()
    with pytest.raises(ValueError, match='differ in shape'):
        FrustumProportionLoss()(logits, target, index[:, :2])
    with pytest.raises(ValueError, match='reduction'):
        MODELS.build(dict(type='FrustumProportionLoss', reduction='none'))


def test_samples_hand_out_what_each_loss_asks_for() -> None:
    logits, target, index = make_batch()
    samples = []
    for labels, frustums in zip(target, index):
        samples.append(SSCDataSample(gt_voxels=labels, frustum_index=frustums))
    losses = dict(loss_frustum=FrustumProportionLoss(), loss_sem=SemanticScalLoss())
    values = volume_losses(losses, logits, samples)
    assert torch.equal(values['loss_frustum'], losses['loss_frustum'](logits, target, index))
    assert torch.equal(values['loss_sem'], losses['loss_sem'](logits, target))


def test_a_module_of_another_library_gets_logits_and_labels() -> None:
    logits, target, _ = make_batch()
    target = target.long()
    samples = [SSCDataSample(gt_voxels=labels) for labels in target]
    loss = torch.nn.CrossEntropyLoss(ignore_index=255)
    values = volume_losses(dict(loss_ce=loss), logits, samples)
    assert torch.equal(values['loss_ce'], loss(logits, target))


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_on_the_gpu() -> None:
    logits, target, index = make_batch()
    loss = FrustumProportionLoss()
    found = loss(logits.cuda(), target.cuda(), index.cuda())
    assert found.item() == pytest.approx(loss(logits, target, index).item(), rel=1e-5)
