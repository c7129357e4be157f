"""``reduction='batch'``: all voxels of a batch are one sample."""

from __future__ import annotations

import pytest
import torch

from mmssc.models.losses import GeometricScalLoss, SemanticScalLoss


@pytest.mark.parametrize('kind', [SemanticScalLoss, GeometricScalLoss])
def test_equals_one_sample_with_all_voxels(kind: type) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 5, 4, 3, 2, generator=generator)
    target = torch.randint(0, 5, (3, 4, 3, 2), generator=generator)
    target[0, :2] = 255
    joined = torch.cat(list(logits), dim=1)[None], torch.cat(list(target))[None]
    pooled = kind(reduction='batch')(logits, target)
    assert pooled.item() == pytest.approx(kind()(*joined).item(), rel=1e-6)
    assert pooled.item() != pytest.approx(kind()(logits, target).item(), rel=1e-3)


@pytest.mark.parametrize('kind', [SemanticScalLoss, GeometricScalLoss])
def test_unknown_reduction(kind: type) -> None:
    with pytest.raises(ValueError, match="'sample' or 'batch'"):
        kind(reduction='none')
