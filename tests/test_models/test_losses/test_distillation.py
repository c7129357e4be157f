"""Distillation losses against a loop over samples and classes, and their properties."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from mmssc.errors import DataError
from mmssc.models.losses import (
    ClassAffinityDistillationLoss,
    ClassCenterDistillationLoss,
    FeatureDistillationLoss,
    LogitDistillationLoss,
)
from mmssc.models.losses.distillation import class_centers

K, SHAPE = 6, (5, 4, 3)


def make_batch(seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    student, teacher = (torch.randn(3, K, *SHAPE, generator=generator) for _ in range(2))
    # Class 4 occurs in no sample, class 2 not in the first.
    target = torch.tensor([0, 0, 1, 2, 3, 5, 255])[
        torch.randint(0, 7, (3, *SHAPE), generator=generator)
    ].to(torch.uint8)
    target[0][target[0] == 2] = 1
    mask = torch.rand(target.shape, generator=generator) < 0.7
    return student, teacher, target, mask


def by_loop(
    student: Tensor, teacher: Tensor, target: Tensor, mask: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    """KD-SC and KD-SA as the specification words them."""
    centre_terms, affinity_terms = [], []
    for s, t, label, use in zip(student, teacher, target, mask):
        chosen = use & (label != 255)
        rows_s, rows_t, y = s[:, chosen].t(), t[:, chosen].t(), label[chosen]
        classes = [c for c in y.unique().tolist() if c != 0]
        if not classes:
            centre_terms.append(s.sum() * 0)
            affinity_terms.append(s.sum() * 0)
            continue
        c_s, c_t = (
            torch.stack([rows[y == c].mean(0) for c in classes]) for rows in (rows_s, rows_t)
        )
        p_t, p_s = (functional.softmax(c / temperature, 1) for c in (c_t, c_s))
        centre_terms.append((p_t * (p_t.log() - p_s.log())).sum(1).mean() * temperature**2)
        a_s, a_t = (
            functional.cosine_similarity(rows[:, None], centers[None], dim=2)
            for rows, centers in ((rows_s, c_s), (rows_t, c_t))
        )
        affinity_terms.append((a_t - a_s).square().mean())
    return torch.stack(centre_terms).mean(), torch.stack(affinity_terms).mean()


@pytest.mark.parametrize('temperature', [1.0, 2.5])
def test_relations_equal_the_loop(temperature: float) -> None:
    student, teacher, target, mask = make_batch()
    student.requires_grad_()
    centre, affinity = by_loop(student, teacher, target, mask, temperature)
    (expected,) = torch.autograd.grad(centre + affinity, student)
    found_centre = ClassCenterDistillationLoss(temperature)(student, teacher, target, mask)
    found_affinity = ClassAffinityDistillationLoss()(student, teacher, target, mask)
    torch.testing.assert_close(found_centre, centre)
    torch.testing.assert_close(found_affinity, affinity)
    (found,) = torch.autograd.grad(found_centre + found_affinity, student)
    # Gradients flow through the centres, too.
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize('loss', [ClassCenterDistillationLoss(), ClassAffinityDistillationLoss()])
def test_sample_without_occupied_voxels_contributes_nothing(loss) -> None:
    student, teacher, target, mask = make_batch()
    target[1][target[1] != 255] = 0
    target[2] = 255
    student.requires_grad_()
    value = loss(student, teacher, target, mask)
    value.backward()
    only = loss(student[:1], teacher[:1], target[:1], mask[:1])
    torch.testing.assert_close(value, only / 3)
    assert student.grad.isfinite().all() and not student.grad[1:].any()


@pytest.mark.parametrize('loss', [ClassCenterDistillationLoss(), ClassAffinityDistillationLoss()])
def test_teachers_logits_are_the_minimum(loss) -> None:
    student, teacher, target, mask = make_batch()
    assert loss(teacher, teacher, target, mask).item() == pytest.approx(0, abs=1e-7)
    assert loss(student, teacher, target, mask).item() > 1e-3


def test_ignored_and_masked_voxels_play_no_part() -> None:
    student, teacher, target, mask = make_batch()
    outside = (~mask | (target == 255)).unsqueeze(1)
    for loss in (ClassCenterDistillationLoss(), ClassAffinityDistillationLoss()):
        expected = loss(student, teacher, target, mask)
        changed = torch.where(outside, 100.0, student)
        torch.testing.assert_close(loss(changed, teacher, target, mask), expected)


def test_empty_voxels_count_for_affinity_but_form_no_centre() -> None:
    student, teacher, target, _ = make_batch()
    empty = (target == 0).unsqueeze(1)
    changed = torch.where(empty, student + torch.randn_like(student), student)
    centre, affinity = ClassCenterDistillationLoss(), ClassAffinityDistillationLoss()
    torch.testing.assert_close(centre(changed, teacher, target), centre(student, teacher, target))
    difference = affinity(changed, teacher, target) - affinity(student, teacher, target)
    assert difference.abs() > 1e-4


def test_features_over_all_elements() -> None:
    student, teacher = torch.randn(2, 3, 4, 5, 6), torch.randn(2, 3, 4, 5, 6)
    loss = FeatureDistillationLoss(loss_weight=0.25)
    torch.testing.assert_close(loss(student, teacher), 0.25 * functional.mse_loss(student, teacher))
    with pytest.raises(ValueError, match='differ in shape'):
        loss(student, teacher[..., :5])


def test_centres_are_class_means() -> None:
    logits = torch.tensor([[[1.0, 3, 5, 7], [0, 2, 4, 9]]])
    label, valid = torch.tensor([[1, 1, 0, 1]]), torch.tensor([[True, True, True, False]])
    centers, count = class_centers(logits, label, valid)
    torch.testing.assert_close(centers, torch.tensor([[[5.0, 4], [2, 1]]]))
    assert count.tolist() == [[1, 2]]


def test_temperature_is_checked() -> None:
    with pytest.raises(ValueError, match='temperature'):
        ClassCenterDistillationLoss(temperature=0)


def make_points(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Logits of 30 points of student and teacher; sample 1 of 3 has no point."""
    generator = torch.Generator().manual_seed(seed)
    student, teacher = (torch.randn(30, K, generator=generator) for _ in range(2))
    return student, teacher, torch.tensor([0] * 10 + [2] * 20)


@pytest.mark.parametrize('temperature', [1.0, 2.5])
def test_logits_are_compared_point_by_point(temperature: float) -> None:
    student, teacher, sample = make_points()
    p, q = (functional.softmax(logits / temperature, 1) for logits in (teacher, student))
    terms = (p * (p.log() - q.log())).sum(1) * temperature**2
    means = (terms[:10].mean() + 0 + terms[10:].mean()) / 3
    for reduction, expected in (('sample', means), ('batch', terms.mean())):
        loss = LogitDistillationLoss(temperature, loss_weight=0.5, reduction=reduction)
        found = loss(student, teacher, batch_index=sample, batch_size=3)
        torch.testing.assert_close(found, 0.5 * expected)
    torch.testing.assert_close(LogitDistillationLoss(temperature)(student, teacher), terms.mean())


def test_a_student_with_the_logits_of_the_teacher_has_nothing_to_learn() -> None:
    student, _, _ = make_points()
    student.requires_grad_()
    # A constant added to all logits of a point changes no probability.
    loss = LogitDistillationLoss(2.0)(student, student.detach() + 3)
    assert loss.abs() < 1e-6
    loss.backward()
    assert student.grad.abs().max() < 1e-6


def test_a_batch_without_points_costs_nothing() -> None:
    student, teacher, sample = (rows[:0] for rows in make_points())
    student.requires_grad_()
    for reduction in ('sample', 'batch'):
        loss = LogitDistillationLoss(reduction=reduction)
        value = loss(student, teacher, batch_index=sample, batch_size=2)
        assert value == 0
        value.backward()


def test_wrong_arguments_of_the_distillation_of_logits() -> None:
    student, teacher, _ = make_points()
    with pytest.raises(DataError, match='temperature'):
        LogitDistillationLoss(temperature=0)
    with pytest.raises(DataError, match='reduction'):
        LogitDistillationLoss(reduction='sum')
    with pytest.raises(ValueError, match='differ in shape'):
        LogitDistillationLoss()(student, teacher[:-1])
