"""What is drawn of an untrained network for drives and scans.

It takes nearly every voxel for occupied: a solid block, and from the camera inside it nothing.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mmssc.geometry import UNOBSERVED, field_of_view_mask
from mmssc.structures import VoxelGrid

__all__ = ['SHARE_DRAWN', 'keep_logits', 'least_empty_voxels']

#: Share of the voxels in view that is drawn; in a street, one voxel in ten or twenty is occupied.
SHARE_DRAWN = 0.05


def keep_logits(model: Any) -> None:
    """Let a model return what :func:`least_empty_voxels` compares."""
    model.test_cfg = {**(model.test_cfg or {}), 'keep_logits': True}


def _in_view(sample: Any) -> Tensor:
    """The voxels in the view of the camera, or in the directions of the rays of a scan."""
    if sample.get('visibility') is not None:
        return sample.visibility != UNOBSERVED
    ref2cam, cam2img = (torch.as_tensor(sample.get(key)) for key in ('lidar2cam', 'cam2img'))
    grid, size = VoxelGrid.build(sample.voxel_grid), tuple(sample.img_shape[:2])
    return field_of_view_mask(grid, ref2cam[0], cam2img, size)


def least_empty_voxels(sample: Any) -> Tensor | None:
    """The occupied voxels in view whose probability of being empty is lowest.

    Args:
        sample: A prediction with ``voxel_logits`` (K, X, Y, Z).

    Returns:
        (X, Y, Z) bool, :data:`SHARE_DRAWN` of the occupied voxels in view; None if the prediction
        has no logits, or no voxel in view is occupied.
    """
    logits = sample.get('voxel_logits')
    if logits is None:
        return None
    seen = _in_view(sample) & (sample.pred_voxels > 0)
    if not seen.any():
        return None
    # It grows with the probability of being empty.
    emptiness = logits[0] - logits[1:].logsumexp(dim=0)
    inside = emptiness[seen]
    limit = inside.kthvalue(max(1, int(SHARE_DRAWN * len(inside)))).values
    return seen & (emptiness <= limit)
