"""Closed forms, properties and a slow twin of every loss."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from mmssc.models.losses import (
    BinaryOccupancyLoss,
    GeometricScalLoss,
    LovaszSoftmaxLoss,
    SemanticScalLoss,
    VoxelCrossEntropyLoss,
    class_weights_from_counts,
)
from mmssc.registry import MODELS

K = 5
SHAPE = (6, 4, 3)
VOXEL_LOSSES = {
    'ce': VoxelCrossEntropyLoss(class_weight=[0.5, 1, 2, 3, 4]),
    'ce_by_weights': VoxelCrossEntropyLoss([0.5, 1, 2, 3, 4], normalizer='weights'),
    'sem_scal': SemanticScalLoss(),
    'geo_scal': GeometricScalLoss(),
    'lovasz': LovaszSoftmaxLoss(),
    'occupancy': BinaryOccupancyLoss(),
}


def make_batch(batch: int = 3, seed: int = 0, name: str = '') -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    channels = () if name == 'occupancy' else (K,)
    logits = 2 * torch.randn(batch, *channels, *SHAPE, generator=generator)
    target = torch.randint(0, K, (batch, *SHAPE), generator=generator, dtype=torch.uint8)
    target[torch.rand(target.shape, generator=generator) < 0.2] = 255
    return logits, target


def from_probability(probability: list[list[float]]) -> Tensor:
    """Logits (1, K, V, 1, 1) with the softmax given as one row per voxel."""
    return torch.tensor(probability).log().t()[None, :, :, None, None]


def volume(*labels: int) -> Tensor:
    return torch.tensor(labels, dtype=torch.uint8)[None, :, None, None]


P = [[0.7, 0.2, 0.1], [0.5, 0.25, 0.25], [0.1, 0.6, 0.3], [0.2, 0.2, 0.6]]


def test_cross_entropy_closed_form() -> None:
    logits, target = from_probability(P), volume(0, 255, 1, 1)
    loss = VoxelCrossEntropyLoss(class_weight=[0.5, 2, 7])
    # Divided by the three valid voxels, not by the weights 0.5 + 2 + 2.
    expected = -(0.5 * math.log(0.7) + 2 * math.log(0.6) + 2 * math.log(0.2)) / 3
    assert loss(logits, target).item() == pytest.approx(expected, rel=1e-6)
    by_weights = VoxelCrossEntropyLoss(class_weight=[0.5, 2, 7], normalizer='weights')
    assert by_weights(logits, target).item() == pytest.approx(expected * 3 / 4.5, rel=1e-6)


def test_cross_entropy_normalizer_is_checked() -> None:
    with pytest.raises(ValueError, match='normalizer'):
        VoxelCrossEntropyLoss(normalizer='mean')


def test_cross_entropy_of_points_closed_form() -> None:
    logits = torch.tensor(P).log()
    target = torch.tensor([0, 255, 1, 1])
    loss = VoxelCrossEntropyLoss()
    one = -(math.log(0.7) + math.log(0.6) + math.log(0.2)) / 3
    assert loss(logits, target).item() == pytest.approx(one, rel=1e-6)
    # Sample 0 has rows 0 and 2, sample 1 has none, sample 2 has rows 1 and 3.
    batch_index = torch.tensor([0, 2, 0, 2])
    several = (-(math.log(0.7) + math.log(0.6)) / 2 + 0 - math.log(0.2)) / 3
    value = loss(logits, target, batch_index=batch_index, batch_size=3)
    assert value.item() == pytest.approx(several, rel=1e-6)


def test_semantic_scal_closed_form() -> None:
    logits, target = from_probability(P), volume(0, 255, 1, 1)
    log = math.log
    # Valid rows 0, 2, 3; sums of p: 1.0, 1.0, 1.0; class 2 is absent and takes no part.
    class_0 = -log(0.7 / 1.0) - log(0.7 / 1) - log((0.9 + 0.8) / 2)
    class_1 = -log(0.8 / 1.0) - log(0.8 / 2) - log(0.8 / 1)
    value = SemanticScalLoss()(logits, target)
    assert value.item() == pytest.approx((class_0 + class_1) / 2, rel=1e-6)


def test_semantic_scal_skips_specificity_when_one_class_fills_all() -> None:
    logits, target = from_probability(P), volume(1, 1, 1, 1)
    expected = -math.log(1.25 / 1.25) - math.log(1.25 / 4)
    assert SemanticScalLoss()(logits, target).item() == pytest.approx(expected, rel=1e-6)


def test_geometric_scal_closed_form() -> None:
    logits, target = from_probability(P), volume(0, 255, 1, 2)
    log = math.log
    expected = -log((0.9 + 0.8) / (0.3 + 0.9 + 0.8)) - log((0.9 + 0.8) / 2) - log(0.7 / 1)
    assert GeometricScalLoss()(logits, target).item() == pytest.approx(expected, rel=1e-6)


def test_geometric_scal_of_another_empty_class() -> None:
    logits, target = from_probability(P), volume(0, 255, 1, 2)
    order = torch.tensor([1, 2, 0])  # old class 0 becomes class 2
    moved = volume(2, 255, 0, 1)
    value = GeometricScalLoss(empty_index=2)(logits[:, order], moved)
    assert value.item() == pytest.approx(GeometricScalLoss()(logits, target).item(), rel=1e-6)


@pytest.mark.parametrize('label, expected', [(0, -math.log(0.7)), (1, -math.log(0.3))])
def test_geometric_scal_without_occupied_or_without_empty(label: int, expected: float) -> None:
    logits = from_probability([[0.7, 0.2, 0.1]] * 2).requires_grad_()
    value = GeometricScalLoss()(logits, volume(label, label))
    assert value.item() == pytest.approx(expected, rel=1e-5)
    value.backward()
    assert torch.isfinite(logits.grad).all() and logits.grad.abs().sum() > 0


def test_lovasz_closed_form() -> None:
    logits, target = torch.tensor(P).log(), torch.tensor([0, 255, 1, 1])
    # Class 0: errors 0.3 (member), 0.2, 0.1 -> Jaccard loss 1 after the first point already.
    class_0 = 0.3 * 1
    # Class 1: errors 0.8 (member), 0.4 (member), 0.2 (other): Jaccard losses 1/2, 1, 1.
    class_1 = 0.8 * 0.5 + 0.4 * 0.5
    value = LovaszSoftmaxLoss()(logits, target)
    assert value.item() == pytest.approx((class_0 + class_1) / 2, rel=1e-6)


def test_occupancy_closed_form() -> None:
    logits = torch.tensor([0.0, 2.0, -1.0]).view(1, 3, 1, 1)
    expected = (math.log(2) + math.log(1 + math.exp(-2))) / 2
    value = BinaryOccupancyLoss()(logits, volume(0, 7, 255))
    assert value.item() == pytest.approx(expected, rel=1e-6)


def slow_semantic_scal(logits: Tensor, target: Tensor) -> Tensor:
    """The formula of section 5 class by class, one sample, float64."""
    valid = target[0] != 255
    probability, label = logits.double().softmax(1)[0][:, valid], target[0][valid]
    losses = []
    for index, p in enumerate(probability):
        inside = label == index
        if inside.any():
            rate = [p[inside].sum() / p.sum(), p[inside].mean()]
            rate += [] if inside.all() else [(1 - p[~inside]).mean()]
            losses.append(sum(-torch.log(value).clamp(min=-100) for value in rate))
    return sum(losses) / len(losses)


def slow_lovasz(logits: Tensor, target: Tensor) -> Tensor:
    """Jaccard loss of growing sets of mispredicted points, from its definition."""
    valid = target != 255
    probability, label = logits.double().softmax(1)[valid], target[valid].long()
    losses = []
    for index in range(logits.shape[1]):
        inside = label == index
        if inside.any():
            error = (inside.double() - probability[:, index]).abs()
            order = error.argsort(descending=True)
            wrong = torch.zeros_like(inside)
            total, last = error.new_zeros(()), 0.0
            for point in order:
                wrong[point] = True
                jaccard = 1 - float((inside & ~wrong).sum()) / float((inside | wrong).sum())
                total = total + error[point] * (jaccard - last)
                last = jaccard
            losses.append(total)
    return sum(losses) / len(losses)


def grad_of(value: Tensor, logits: Tensor) -> Tensor:
    return torch.autograd.grad(value, logits)[0]


@pytest.mark.parametrize('seed', range(3))
def test_semantic_scal_equals_the_class_by_class_form(seed: int) -> None:
    logits, target = make_batch(1, seed)
    logits.requires_grad_()
    fast, slow = SemanticScalLoss()(logits, target), slow_semantic_scal(logits, target)
    torch.testing.assert_close(fast.double(), slow, rtol=1e-6, atol=0)
    torch.testing.assert_close(grad_of(fast, logits), grad_of(slow, logits), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize('seed', range(3))
def test_lovasz_equals_its_definition(seed: int) -> None:
    logits, target = make_batch(1, seed)
    logits, target = logits.flatten(2)[0].t().clone().requires_grad_(), target.flatten()
    fast, slow = LovaszSoftmaxLoss()(logits, target), slow_lovasz(logits, target)
    torch.testing.assert_close(fast.double(), slow, rtol=1e-6, atol=0)
    torch.testing.assert_close(grad_of(fast, logits), grad_of(slow, logits), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize('name', VOXEL_LOSSES)
def test_batch_is_the_mean_of_its_samples(name: str) -> None:
    logits, target = make_batch(name=name)
    target[1] = 255  # a sample without labels counts as 0, as it would in a process of its own
    logits.requires_grad_()
    loss = VOXEL_LOSSES[name]
    together = loss(logits, target)
    alone = torch.stack([loss(logits[i : i + 1], target[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(together, alone.mean(), rtol=1e-6, atol=0)
    torch.testing.assert_close(
        grad_of(together, logits), grad_of(alone.mean(), logits), rtol=1e-5, atol=1e-8
    )


@pytest.mark.parametrize('loss', [VoxelCrossEntropyLoss([1, 2, 3, 4, 5.0]), LovaszSoftmaxLoss()])
def test_points_equal_the_volumes_they_come_from(loss: torch.nn.Module) -> None:
    logits, target = make_batch()
    points = logits.flatten(2).transpose(1, 2).flatten(0, 1)
    batch_index = torch.arange(3).repeat_interleave(math.prod(SHAPE))
    order = torch.randperm(len(points), generator=torch.Generator().manual_seed(1))
    value = loss(points[order], target.flatten()[order], batch_index[order], batch_size=3)
    torch.testing.assert_close(value, loss(logits, target), rtol=1e-6, atol=0)


def test_points_of_a_batch_need_its_size() -> None:
    with pytest.raises(ValueError, match='batch_size'):
        LovaszSoftmaxLoss()(torch.zeros(2, 3), torch.zeros(2), batch_index=torch.zeros(2))


@pytest.mark.parametrize('name', VOXEL_LOSSES)
def test_ignored_voxels_have_no_effect(name: str) -> None:
    logits, target = make_batch(name=name)
    ignored = target == 255
    changed = logits.clone()
    (changed if name == 'occupancy' else changed.movedim(1, -1))[ignored] += 50.0
    results = []
    for value in (logits, changed):
        value.requires_grad_()
        loss = VOXEL_LOSSES[name](value, target)
        results.append((loss, grad_of(loss, value)))
    torch.testing.assert_close(results[0], results[1], rtol=1e-6, atol=1e-9)
    gradient = results[0][1] if name == 'occupancy' else results[0][1].movedim(1, -1)
    assert (gradient[ignored] == 0).all() and (gradient[~ignored] != 0).any()


@pytest.mark.parametrize('name', VOXEL_LOSSES)
@pytest.mark.parametrize('dtype', [torch.uint8, torch.int32, torch.int64, torch.float32])
def test_dtype_of_the_target_does_not_matter(name: str, dtype: torch.dtype) -> None:
    logits, target = make_batch(name=name)
    loss = VOXEL_LOSSES[name]
    assert loss(logits, target.to(dtype)).item() == loss(logits, target.long()).item() > 0


@pytest.mark.parametrize('name', VOXEL_LOSSES)
def test_nothing_valid_gives_zero_with_a_graph(name: str) -> None:
    logits, target = make_batch(name=name)
    logits.requires_grad_()
    value = VOXEL_LOSSES[name](logits, torch.full_like(target, 255))
    value.backward()
    assert value.item() == 0
    assert (logits.grad == 0).all()


@pytest.mark.parametrize('loss', [VoxelCrossEntropyLoss(), LovaszSoftmaxLoss()])
@pytest.mark.parametrize('count', [0, 1])
def test_no_seed_and_one_seed(loss: torch.nn.Module, count: int) -> None:
    logits = torch.randn(count, K, generator=torch.Generator().manual_seed(0)).requires_grad_()
    value = loss(logits, torch.full((count,), 2), torch.zeros(count), batch_size=1)
    value.backward()
    assert torch.isfinite(value) and (value.item() > 0) == bool(count)
    assert logits.grad.shape == logits.shape and torch.isfinite(logits.grad).all()


@pytest.mark.parametrize('name', VOXEL_LOSSES)
@pytest.mark.parametrize('scale', [1.0, 300.0])
def test_mixed_precision_is_computed_in_float32(name: str, scale: float) -> None:
    logits, target = make_batch(name=name)
    half = (scale * logits).bfloat16().requires_grad_()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        value = VOXEL_LOSSES[name](half, target)
    value.backward()
    assert value.dtype == torch.float32 and torch.isfinite(value)
    assert torch.isfinite(half.grad).all()
    assert value.item() == pytest.approx(VOXEL_LOSSES[name](half.float(), target).item(), rel=1e-6)


def test_certain_and_wrong_is_bounded() -> None:
    logits = torch.zeros(1, 2, 4, 1, 1)
    logits[:, 1] = 1e4
    logits.requires_grad_()
    for loss in (SemanticScalLoss(), GeometricScalLoss()):
        # Everything is predicted as 1 and is 0: recall, precision... hit the bound of 100.
        value = loss(logits, volume(0, 0, 0, 1))
        value.backward()
        assert 100 < value.item() < 301 and torch.isfinite(logits.grad).all()


def test_sums_are_accurate_over_many_voxels() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(1, K, 64, 64, 32, generator=generator)
    target = torch.randint(0, K, (1, 64, 64, 32), generator=generator)
    value = SemanticScalLoss()(logits, target).item()
    assert value == pytest.approx(slow_semantic_scal(logits, target).item(), rel=1e-6)


@pytest.mark.parametrize('name', VOXEL_LOSSES)
def test_loss_weight(name: str) -> None:
    logits, target = make_batch(name=name)
    full = VOXEL_LOSSES[name](logits, target).item()
    kwargs = {'class_weight': [0.5, 1, 2, 3, 4]} if name.startswith('ce') else {}
    kwargs |= {'normalizer': 'weights'} if name == 'ce_by_weights' else {}
    kind = type(VOXEL_LOSSES[name]).__name__
    built = MODELS.build(dict(type=kind, loss_weight=0.25, **kwargs))
    assert built(logits, target).item() == pytest.approx(full / 4, rel=1e-6)


@pytest.mark.parametrize('name', ['ce', 'sem_scal', 'geo_scal', 'lovasz', 'occupancy'])
def test_other_ignore_index(name: str) -> None:
    logits, target = make_batch(name=name)
    other = torch.where(target == 255, 4, torch.where(target == 4, 3, target.int()))
    same = torch.where(other == 4, 255, other)
    kind = type(VOXEL_LOSSES[name]).__name__
    built = MODELS.build(dict(type=kind, ignore_index=4))
    expected = MODELS.build(dict(type=kind))(logits, same).item()
    assert built(logits, other).item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize('name', ['sem_scal', 'geo_scal', 'lovasz', 'occupancy'])
def test_wrong_shapes_are_refused(name: str) -> None:
    logits, target = make_batch(name=name)
    with pytest.raises(ValueError, match=r'\(3, 6, 4, 2\)'):
        VOXEL_LOSSES[name](logits, target[..., :2])


def test_class_weights() -> None:
    assert class_weights_from_counts([5417730330, 15783539, 334146]) == [0.446, 0.603, 0.786]
    exact = class_weights_from_counts([1000], scale=1, offset=0.001, digits=None)
    assert exact == [1 / math.log(1000.001)]
    with pytest.raises(ValueError, match='class 1'):
        class_weights_from_counts([10, 1])
