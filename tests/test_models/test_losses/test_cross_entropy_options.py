"""Label smoothing, reduction over the batch, mask and divisor of the cross entropy."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from mmssc.models.losses import VoxelCrossEntropyLoss

K = 5


def make_batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(2, K, 4, 3, 2, generator=generator)
    target = torch.randint(0, K, (2, 4, 3, 2), generator=generator, dtype=torch.uint8)
    target[torch.rand(target.shape, generator=generator) < 0.3] = 255
    mask = torch.rand(target.shape, generator=generator) < 0.6
    mask[0, :2] = False  # the samples count differently
    return logits, target, mask


@pytest.mark.parametrize('smoothing', [0.0, 0.2])
def test_batch_reduction_is_pytorchs_mean(smoothing: float) -> None:
    logits, target, mask = make_batch()
    loss = VoxelCrossEntropyLoss(label_smoothing=smoothing, reduction='batch')
    rows, labels = logits.movedim(1, -1)[mask], target[mask].long()
    expected = functional.cross_entropy(
        rows, labels, ignore_index=255, label_smoothing=smoothing
    )  # fmt: skip
    torch.testing.assert_close(loss(logits, target, mask=mask), expected)
    by_sample = VoxelCrossEntropyLoss(label_smoothing=smoothing)(logits, target, mask=mask)
    assert not torch.isclose(by_sample, expected, rtol=1e-3)


def test_label_smoothing_closed_form() -> None:
    probability = torch.tensor([0.7, 0.2, 0.1])
    loss = VoxelCrossEntropyLoss(label_smoothing=0.3)
    value = loss(probability.log().view(1, 3, 1, 1), torch.zeros(1, 1, 1, dtype=torch.uint8))
    wanted = torch.tensor([0.7 + 0.1, 0.1, 0.1])
    torch.testing.assert_close(value, -(wanted * probability.log()).sum())


def test_sample_reduction_with_mask_is_the_mean_of_single_samples() -> None:
    logits, target, mask = make_batch()
    loss = VoxelCrossEntropyLoss(label_smoothing=0.1)
    single = [
        loss(logits[i : i + 1], target[i : i + 1], mask=mask[i : i + 1]) for i in range(len(logits))
    ]
    torch.testing.assert_close(loss(logits, target, mask=mask), torch.stack(single).mean())


def test_masked_and_ignored_entries_get_no_gradient() -> None:
    logits, target, mask = make_batch()
    logits.requires_grad_()
    loss = VoxelCrossEntropyLoss(label_smoothing=0.2, reduction='batch')
    loss(logits, target, mask=mask).backward()
    selected = mask & (target != 255)
    touched = (logits.grad != 0).any(1)
    assert torch.equal(touched, selected)


def test_avg_factor_replaces_the_divisor() -> None:
    logits, target, mask = make_batch()
    loss = VoxelCrossEntropyLoss(reduction='batch')
    entropy = functional.cross_entropy(
        logits, target.long(), ignore_index=255, reduction='none'
    )  # 0 where ignored
    # The ignored voxels of the mask count in the divisor.
    expected = entropy[mask].sum() / mask.sum()
    torch.testing.assert_close(loss(logits, target, mask=mask, avg_factor=mask.sum()), expected)
    per_sample = mask.flatten(1).sum(1)
    torch.testing.assert_close(loss(logits, target, mask=mask, avg_factor=per_sample), expected)
    by_sample = VoxelCrossEntropyLoss()(logits, target, mask=mask, avg_factor=per_sample)
    parts = [entropy[i][mask[i]].sum() / mask[i].sum() for i in range(2)]
    torch.testing.assert_close(by_sample, torch.stack(parts).mean())


@pytest.mark.parametrize('reduction', ['sample', 'batch'])
def test_nothing_selected_is_zero(reduction: str) -> None:
    logits, target, mask = make_batch()
    logits.requires_grad_()
    value = VoxelCrossEntropyLoss(reduction=reduction)(logits, target, mask=mask & False)
    value.backward()
    assert value == 0 and not logits.grad.any()


@pytest.mark.parametrize(
    'options', [dict(reduction='mean'), dict(label_smoothing=1.5), dict(label_smoothing=-0.1)]
)
def test_options_are_checked(options: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        VoxelCrossEntropyLoss(**options)


@pytest.mark.parametrize('smoothing', [0.0, 0.1])
@pytest.mark.parametrize('shape', [(2, 4, 3, 5, 6), (2, 4, 5, 6)])
def test_channels_last_logits_are_not_copied_and_give_the_same(monkeypatch, shape, smoothing):
    calls = []
    plain = torch.nn.functional.cross_entropy
    monkeypatch.setattr(
        torch.nn.functional,
        'cross_entropy',
        lambda logits, *args, **kwargs: calls.append(logits) or plain(logits, *args, **kwargs),
    )
    torch.manual_seed(0)
    logits = torch.randn(shape)
    target = torch.randint(0, 4, (shape[0], *shape[2:]), dtype=torch.uint8)
    target[0, 0] = 255
    loss = VoxelCrossEntropyLoss([1.0, 2.0, 3.0, 4.0], label_smoothing=smoothing)
    found = []
    for rows in (logits.contiguous(), logits.movedim(1, -1).contiguous().movedim(-1, 1)):
        rows = rows.detach().requires_grad_()
        value = loss(rows, target)
        value.backward()
        found.append((value.detach(), rows.grad.contiguous()))
    torch.testing.assert_close(found[0], found[1])
    assert calls[0].shape == shape
    assert calls[1].shape == (target.numel(), 4) and calls[1].is_contiguous()
