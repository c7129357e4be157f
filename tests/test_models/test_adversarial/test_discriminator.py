"""The discriminator's sizes and batches."""

from __future__ import annotations

import pytest
import torch

from mmssc.models.adversarial.discriminator import VolumeDiscriminator


def test_size_of_the_authors() -> None:
    model = VolumeDiscriminator(12, (60, 36, 60))
    assert model.linear.in_features == 9600
    count = sum(parameter.numel() for parameter in model.parameters())
    # Without the unused shortcuts of the last block: three of 32 x 32 and their normalisation.
    assert count == 1_313_601 - 3 * (32 * 32 + 2 * 32)


def test_batch_equals_single_runs_and_sides_may_be_odd() -> None:
    shape = (13, 9, 21)
    model = VolumeDiscriminator(5, shape, channels=8, hidden=8).eval()
    volume = torch.randn(3, 5, *shape)
    with torch.no_grad():
        batch = model(volume)
        single = torch.cat([model(one[None]) for one in volume])
    assert batch.shape == (3,)
    torch.testing.assert_close(batch, single, rtol=1e-5, atol=1e-6)
    assert float((batch[0] - batch[1]).abs()) > 1e-6


def test_it_sees_every_part_of_the_volume() -> None:
    model = VolumeDiscriminator(3, (12, 12, 12), channels=8, hidden=32).eval()
    volume = torch.randn(1, 3, 12, 12, 12, requires_grad=True)
    model(volume).sum().backward()
    assert float((volume.grad != 0).float().mean()) > 0.9


def test_a_short_side_is_refused() -> None:
    with pytest.raises(ValueError, match='at least 9'):
        VolumeDiscriminator(5, (16, 8, 16))
