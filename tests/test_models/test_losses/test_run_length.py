"""The released loss of the run lengths, and what was meant."""

from __future__ import annotations

import pytest
import torch

from mmssc.models.losses import RunLengthLoss


@pytest.fixture
def volumes() -> tuple[torch.Tensor, ...]:
    torch.manual_seed(0)
    labels = torch.zeros(2, 3, 2, 2, dtype=torch.uint8)
    labels[0, 0], labels[1, :2] = 255, 255
    return torch.rand(2, 6, 3, 2, 2), torch.rand(2, 6, 3, 2, 2), labels


def test_the_released_loss_ignores_its_mask_and_counts_it_twice(volumes):
    found, true, labels = volumes
    error = (found - true).abs().flatten(1).sum(1)
    expected = (error / torch.tensor([16.0, 8.0])).mean()
    torch.testing.assert_close(RunLengthLoss()(found, true, labels), expected)
    pooled = error.sum() / 24
    torch.testing.assert_close(RunLengthLoss(reduction='batch')(found, true, labels), pooled)


def test_masked_is_the_mean_over_labelled_voxels(volumes):
    found, true, labels = volumes
    error = (found - true).abs().sum(1)
    expected = torch.stack([error[i][labels[i] != 255].mean() for i in (0, 1)]).mean()
    loss = RunLengthLoss(masked=True, loss_weight=2.0)
    torch.testing.assert_close(loss(found, true, labels), 2 * expected)


@pytest.mark.parametrize('masked', [False, True])
@pytest.mark.parametrize('reduction', ['sample', 'batch'])
def test_without_labels_it_is_zero_with_a_gradient(volumes, masked, reduction):
    found, true, labels = volumes
    found.requires_grad_()
    loss = RunLengthLoss(masked=masked, reduction=reduction)
    value = loss(found, true, torch.full_like(labels, 255))
    value.backward()
    assert value.item() == 0 and not found.grad.any()
