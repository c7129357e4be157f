"""The relation loss of context priors."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mmssc.geometry import context_relations
from mmssc.models.losses import ContextRelationLoss

K, SHAPE = 4, (4, 6, 2)


def make_batch(num_relations: int = 4) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, num_relations, 6, 48, generator=generator)
    target = torch.randint(0, K, (2, *SHAPE), generator=generator, dtype=torch.uint8)
    target[0, :2] = 0
    target[1, 2] = 255
    return logits, target


@pytest.mark.parametrize('num_relations', [2, 4])
@pytest.mark.parametrize('reduction', ['sample', 'batch'])
def test_equals_the_definition(num_relations: int, reduction: str) -> None:
    logits, target = make_batch(num_relations)
    holds = context_relations(target, K, num_relations).transpose(2, 3).double()
    groups = [slice(None)] if reduction == 'batch' else [slice(0, 1), slice(1, 2)]
    expected = torch.zeros((), dtype=torch.float64)
    for group in groups:
        for relation in range(num_relations):
            part = holds[group, relation]
            weight = (1 - part).sum() / part.sum()
            entropy = F.binary_cross_entropy_with_logits(
                logits[group, relation].double(), part, pos_weight=weight
            )
            expected += entropy / num_relations / len(groups)
    value = ContextRelationLoss(K, reduction=reduction, loss_weight=2)(logits, target)
    assert value.item() == pytest.approx(2 * expected.item(), rel=1e-6)


@pytest.mark.parametrize('label', [0, 2, 255])
@pytest.mark.parametrize('reduction', ['sample', 'batch'])
def test_a_relation_that_holds_nowhere_gives_a_number(label: int, reduction: str) -> None:
    logits, target = make_batch()
    logits.requires_grad_()
    value = ContextRelationLoss(K, reduction=reduction)(logits, torch.full_like(target, label))
    value.backward()
    assert value.isfinite() and logits.grad.isfinite().all() and logits.grad.any()


def test_shapes_are_checked() -> None:
    logits, target = make_batch()
    with pytest.raises(ValueError, match='do not match the relations'):
        ContextRelationLoss(K)(logits.transpose(2, 3), target)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_on_the_gpu() -> None:
    logits, target = make_batch()
    loss = ContextRelationLoss(K)
    found = loss(logits.cuda(), target.cuda())
    assert found.item() == pytest.approx(loss(logits, target).item(), rel=1e-5)
