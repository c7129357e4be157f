"""Modulation of one volume by another."""

from __future__ import annotations

import torch
from torch.nn import functional

from mmssc.models.heads.ammnet.feature_modulation import FeatureModulation


def test_formula() -> None:
    layer = FeatureModulation(6)
    x, guide = torch.randn(2, 6, 4, 3, 5), torch.randn(2, 6, 4, 3, 5)
    rows = guide.movedim(1, -1)
    scale = functional.linear(rows, layer.scale.weight[:, :, 0, 0, 0], layer.scale.bias)
    shift = functional.linear(rows, layer.shift.weight[:, :, 0, 0, 0], layer.shift.bias)
    expected = x * (1 + scale.sigmoid()).movedim(-1, 1) + shift.movedim(-1, 1)
    torch.testing.assert_close(layer(x, guide), expected)
