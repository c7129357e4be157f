"""AMMNet's volume head."""

from __future__ import annotations

import pytest
import torch

from mmssc.models.heads import ModulatedCompletionHead

SHAPE = (8, 4, 8)


@pytest.fixture
def head() -> ModulatedCompletionHead:
    torch.manual_seed(0)
    return ModulatedCompletionHead(8, 5).eval()


@pytest.fixture
def features() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    return torch.rand(2, 8, *SHAPE), torch.rand(2, 8, *SHAPE)


def test_batch_equals_single_runs(head, features) -> None:
    with torch.no_grad():
        batch = head(*features)
        single = torch.cat([head(a[None], b[None]) for a, b in zip(*features)])
    assert batch.shape == (2, 5, *SHAPE)
    torch.testing.assert_close(batch, single, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('number, side', [(0, 8), (1, 4), (2, 8)])
def test_each_modulation_at_its_resolution(head, features, number, side) -> None:
    seen = []
    layer = head.modulations[number]
    layer.register_forward_hook(lambda module, args, output: seen.append((args, output)))
    with torch.no_grad():
        before = head(*features)
        (((x, guide), output),) = seen
        assert x.shape == guide.shape == output.shape and x.shape[2] == side
        layer.shift.bias.add_(0.5)
        assert not torch.allclose(head(*features), before)


def test_the_first_guide_is_the_tsdf_feature_itself(head, features) -> None:
    guides = []
    for layer in head.modulations:
        layer.register_forward_hook(lambda module, args, output: guides.append(args[1]))
    with torch.no_grad():
        head(*features)
        assert guides[0] is features[1]
        torch.testing.assert_close(guides[1], head.down_scale(features[1]))
        torch.testing.assert_close(guides[2], head.up_scale(guides[1]))


def test_odd_sides_are_refused(head) -> None:
    volume = torch.rand(1, 8, 6, 4, 8)
    with pytest.raises(ValueError, match='multiple of 4'):
        head(volume, volume)
