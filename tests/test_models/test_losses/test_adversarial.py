"""Binary cross entropy of generator and discriminator."""

from __future__ import annotations

import pytest
import torch

from mmssc.models.losses import AdversarialLoss


def test_value_and_gradient() -> None:
    logits = torch.tensor([0.3, -1.2, 2.0], requires_grad=True)
    loss = AdversarialLoss(loss_weight=0.5)(logits, 1.0)
    probability = logits.detach().sigmoid()
    torch.testing.assert_close(loss, -0.5 * probability.log().mean())
    loss.backward()
    torch.testing.assert_close(logits.grad, 0.5 * (probability - 1) / 3)
    fake = AdversarialLoss()(logits.detach(), 0.0)
    torch.testing.assert_close(fake, -(1 - probability).log().mean())


def test_mean_over_the_valid_samples() -> None:
    logits = torch.tensor([0.3, -1.2, 2.0], requires_grad=True)
    valid = torch.tensor([True, False, True])
    loss = AdversarialLoss()(logits, 0.0, valid)
    torch.testing.assert_close(loss, AdversarialLoss()(logits[valid], 0.0))
    loss.backward()
    assert logits.grad[1] == 0 and logits.grad[0] != 0


def test_without_a_valid_sample_it_is_zero_and_has_a_graph() -> None:
    logits = torch.randn(2, requires_grad=True)
    loss = AdversarialLoss()(logits, 0.0, torch.zeros(2, dtype=torch.bool))
    loss.backward()
    assert loss == 0 and torch.equal(logits.grad, torch.zeros(2))


@pytest.mark.parametrize('logit', [80.0, -80.0])
def test_large_logits_and_half_precision(logit: float) -> None:
    with torch.autocast('cpu', dtype=torch.bfloat16):
        loss = AdversarialLoss()(torch.tensor([logit], dtype=torch.bfloat16), 0.0)
    assert loss.dtype == torch.float32 and loss.isfinite()
    assert float(loss) == pytest.approx(max(logit, 0.0), abs=1e-6)
