"""Losses that share the sums over one softmax."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mmssc.errors import DataError
from mmssc.models.losses import (
    ClassSums,
    FrustumProportionLoss,
    GeometricScalLoss,
    LovaszSoftmaxLoss,
    SemanticScalLoss,
    VoxelCrossEntropyLoss,
    class_sums,
)
from mmssc.models.losses.volume_losses import volume_losses
from mmssc.structures import SSCDataSample

K = 5
WEIGHTS = [0.5, 1, 2, 3, 4]


def make_losses(**options: object) -> dict[str, torch.nn.Module]:
    return dict(
        ce=VoxelCrossEntropyLoss(WEIGHTS, **options),
        ce_by_weights=VoxelCrossEntropyLoss(WEIGHTS, normalizer='weights', **options),
        sem_scal=SemanticScalLoss(**options),
        geo_scal=GeometricScalLoss(**options),
        frustum=FrustumProportionLoss(**options),
    )


def make_batch(batch: int = 2) -> tuple[Tensor, list[SSCDataSample]]:
    generator = torch.Generator().manual_seed(0)
    shape = (batch, 16, 12, 5)
    logits = 2 * torch.randn(batch, K, *shape[1:], generator=generator)
    labels = torch.randint(0, K, shape, generator=generator, dtype=torch.uint8)
    labels[torch.rand(shape, generator=generator) < 0.2] = 255
    frustums = torch.randint(0, 4, shape, generator=generator, dtype=torch.uint8)
    frustums[:, :2] = 255
    samples = [
        SSCDataSample(gt_voxels=one, frustum_index=index) for one, index in zip(labels, frustums)
    ]
    return logits, samples


def extra_of(loss: torch.nn.Module, samples: list[SSCDataSample]) -> list[Tensor]:
    return [torch.stack([one.get(name) for one in samples]) for name in loss.extra_targets]


@pytest.mark.parametrize('step', [7, 1 << 14])
@pytest.mark.parametrize('reduction', ['sample', 'batch'])
@pytest.mark.parametrize('channels_last', [True, False])
def test_shared_sums_change_no_loss_and_no_gradient(
    reduction: str, channels_last: bool, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(class_sums, '_CPU_STEP', step)
    logits, samples = make_batch()
    if channels_last:
        logits = logits.movedim(1, -1).contiguous().movedim(-1, 1)
    target = torch.stack([one.gt_voxels for one in samples])
    together, alone = (logits.clone().requires_grad_() for _ in range(2))
    losses = make_losses(reduction=reduction)
    values = volume_losses(losses, together, samples)
    assert list(values) == list(losses)
    for name, loss in losses.items():
        expected = loss(alone, target, *extra_of(loss, samples))
        torch.testing.assert_close(values[name], expected, rtol=1e-6, atol=0)
        expected.backward()
    sum(values.values()).backward()
    torch.testing.assert_close(together.grad, alone.grad, rtol=1e-4, atol=1e-7)


def test_the_softmax_is_computed_once_and_never_stored() -> None:
    logits, samples = make_batch()
    logits.requires_grad_()
    stored = []

    def note(tensor: Tensor) -> Tensor:
        stored.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        volume_losses(make_losses(), logits, samples)
    large = {one.data_ptr() for one in stored if one.is_floating_point() and one.numel() >= 4000}
    assert large == {logits.data_ptr()}


def test_gradients_of_the_sums() -> None:
    logits, samples = make_batch()
    logits = logits.double().flatten(2).requires_grad_()
    target = torch.stack([one.gt_voxels for one in samples]).flatten(1)
    frustums = torch.stack([one.frustum_index for one in samples]).flatten(1)

    def sums_of(logits: Tensor) -> tuple[Tensor, ...]:
        sums = ClassSums(logits, target, 255, 1, frustums)
        return sums.log_score, sums.hit, sums.occupied, sums.mass

    assert torch.autograd.gradcheck(sums_of, logits, fast_mode=True)


def test_losses_with_other_settings_have_sums_of_their_own() -> None:
    logits, samples = make_batch()
    target = torch.stack([one.gt_voxels for one in samples])
    losses = dict(
        one=SemanticScalLoss(),
        of_batch=SemanticScalLoss(reduction='batch'),
        other_empty=GeometricScalLoss(empty_index=2),
        smoothed=VoxelCrossEntropyLoss(label_smoothing=0.1),
        without_sums=LovaszSoftmaxLoss(),
        ignoring=SemanticScalLoss(ignore_index=4),
    )
    target[target == 255] = 4
    for sample, labels in zip(samples, target):
        sample.gt_voxels = labels
    for name, value in volume_losses(losses, logits, samples).items():
        torch.testing.assert_close(value, losses[name](logits, target), rtol=1e-6, atol=0)


def test_a_subclass_with_its_own_formula_is_called() -> None:
    class OtherLoss(SemanticScalLoss):
        def per_sample(self, logits: Tensor, target: Tensor) -> Tensor:
            return logits.flatten(1).sum(1) * 0 + 7

    logits, samples = make_batch()
    values = volume_losses(dict(make_losses(), other=OtherLoss()), logits, samples)
    assert values['other'].item() == 7


def test_mixed_precision_takes_the_sums_in_float32() -> None:
    logits, samples = make_batch()
    half = logits.bfloat16().requires_grad_()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        values = volume_losses(make_losses(), half, samples)
    expected = volume_losses(make_losses(), half.float(), samples)
    assert all(value.dtype == torch.float32 for value in values.values())
    torch.testing.assert_close(values, expected, rtol=1e-6, atol=0)
    sum(values.values()).backward()
    assert half.grad.dtype == torch.bfloat16 and half.grad.isfinite().all()


def test_wrong_class_ids_are_named_before_the_sums() -> None:
    logits, samples = make_batch()
    samples[1].gt_voxels[3] = K + 2
    with pytest.raises(DataError, match='class ids of the labels'):
        volume_losses(make_losses(), logits, samples)
