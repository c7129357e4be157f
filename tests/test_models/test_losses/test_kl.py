"""Divergence from the standard normal distribution."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from mmssc.models.losses.kl import StandardNormalKLLoss


def test_equals_the_closed_form_of_torch() -> None:
    torch.manual_seed(0)
    mean, log_var = torch.randn(2, 3, 4), torch.randn(2, 3, 4)
    expected = kl_divergence(Normal(mean, (log_var / 2).exp()), Normal(0.0, 1.0)).mean()
    torch.testing.assert_close(StandardNormalKLLoss()(mean, log_var), expected)
    torch.testing.assert_close(StandardNormalKLLoss(loss_weight=2.0)(mean, log_var), 2 * expected)


def test_zero_for_the_prior_itself() -> None:
    assert StandardNormalKLLoss()(torch.zeros(1, 5), torch.zeros(1, 5)) == 0


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match='mean'):
        StandardNormalKLLoss()(torch.zeros(1, 5), torch.zeros(1, 4))
