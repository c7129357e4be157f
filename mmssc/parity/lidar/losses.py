"""Losses of LMSCNet and SSCNet, as in the shipped configs."""

from __future__ import annotations

from typing import Any

from mmssc.datasets import CarlaSCDataset, SemanticKITTIDataset
from mmssc.models.losses import class_weights_from_counts

__all__ = ['class_weights', 'lidar_losses']


def class_weights(dataset: type) -> list[float]:
    """1 / ln(count + 0.001) of the classes of a data set."""
    counts = dataset.METAINFO['class_counts']  # type: ignore[attr-defined]
    return class_weights_from_counts(counts, scale=1.0, offset=0.001, digits=None)


def lidar_losses(kind: str, carla: bool = False) -> dict[str, dict[str, Any]]:
    """Configs of the losses, as in the shipped configs.

    Args:
        kind: ``'lmscnet'``, ``'lmscnet-ss'``, ``'sscnet-full'`` or ``'sscnet'``.
        carla: Those of CarlaSC, else of SemanticKITTI.
    """
    weights = class_weights(CarlaSCDataset if carla else SemanticKITTIDataset)
    if kind.startswith('lmscnet'):
        return dict(
            ce=dict(type='mmssc.VoxelCrossEntropyLoss', class_weight=weights, normalizer='weights',
                    reduction='batch')
        )  # fmt: skip
    options = dict(draw='batch', replacement=False, normalizer='weights', class_weight=weights)
    return dict(ce=dict(type='mmssc.BalancedCrossEntropyLoss', **(options if carla else {})))
