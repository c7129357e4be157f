"""Random label volumes."""

from __future__ import annotations

import numpy as np
import torch

__all__ = ['random_labels']


def random_labels(
    shape: tuple[int, int, int], num_classes: int, random: np.random.Generator
) -> torch.Tensor:
    """Labels (X, Y, Z) uint8 in blocks of 4x4x4 voxels, a quarter occupied and a tenth ignored."""
    blocks = random.random([-(-side // 4) for side in shape])
    classes = random.integers(1, num_classes, blocks.shape)
    coarse = np.where(blocks < 0.25, classes, np.where(blocks > 0.9, 255, 0)).astype(np.uint8)
    labels = coarse.repeat(4, 0).repeat(4, 1).repeat(4, 2)[: shape[0], : shape[1], : shape[2]]
    return torch.from_numpy(np.ascontiguousarray(labels))
