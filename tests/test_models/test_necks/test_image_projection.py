"""The projection of one image level."""

from __future__ import annotations

import torch

from mmssc.models.necks.image_projection import ImageProjection


def test_last_level_is_projected() -> None:
    neck = ImageProjection(6, 4).eval()
    levels = [torch.randn(2, 3, 8, 8), torch.randn(2, 6, 4, 5)]
    found = neck(levels)
    expected = torch.einsum('oi,bihw->bohw', neck.conv.weight[:, :, 0, 0], levels[1])
    expected = expected / (1 + neck.norm.eps) ** 0.5
    torch.testing.assert_close(found, expected.clamp_min(0))
    assert neck.conv.bias is None and isinstance(neck.norm, torch.nn.BatchNorm2d)
