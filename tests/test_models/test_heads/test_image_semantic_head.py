"""Image head: fusion order, resizing, 2D logits."""

from __future__ import annotations

import torch
from torch.nn import functional

from mmssc.models.heads import ImageSemanticHead


def make_head() -> ImageSemanticHead:
    torch.manual_seed(0)
    return ImageSemanticHead(in_channels=(4, 6, 8), channels=5, num_classes=3).eval()


def make_levels() -> list[torch.Tensor]:
    return [torch.randn(2, width, 12 // s, 16 // s) for width, s in ((4, 1), (6, 2), (8, 4))]


def test_fusion_takes_the_coarsest_level_first() -> None:
    head, levels = make_head(), make_levels()
    rows = []
    for conv, level in reversed(list(zip(head.projections, levels))):
        # The linear layer of the paper, pixel by pixel.
        tokens = level.movedim(1, -1) @ conv.weight[:, :, 0, 0].t() + conv.bias
        rows.append(functional.interpolate(tokens.movedim(-1, 1), (12, 16), mode='bilinear'))
    expected = functional.relu(head.fuse_norm(head.fuse_conv(torch.cat(rows, 1))))
    torch.testing.assert_close(head(levels), expected)


def test_logits_are_resized_with_aligned_corners() -> None:
    head = make_head()
    feature = head(make_levels())
    logits = head.classify(feature, (45, 61))
    assert logits.shape == (2, 3, 45, 61)
    small = head.classifier(feature)
    # With aligned corners the corners are those of the small map.
    for corner in ((0, 0), (0, -1), (-1, 0), (-1, -1)):
        torch.testing.assert_close(
            logits[..., corner[0], corner[1]], small[..., corner[0], corner[1]]
        )


def test_dropout_sits_before_the_fusion() -> None:
    head, levels = make_head(), make_levels()
    head.dropout.train()
    torch.manual_seed(1)
    first, second = head(levels), head(levels)
    assert not torch.equal(first, second)
    # In front of the fusion no channel of the result is zeroed as a whole pixel by pixel.
    head.dropout.p = 1.0
    expected = functional.relu(head.fuse_norm(torch.zeros(2, 5, 12, 16)))
    torch.testing.assert_close(head(levels), expected)
