"""Masks of the voxels that a protocol scores."""

from __future__ import annotations

import numpy as np

__all__ = ['nyu_masks', 'scan_masks', 'visibility_masks']


def visibility_masks(candidates: np.ndarray, visible: np.ndarray) -> dict[str, np.ndarray]:
    """The voxel sets of the NYU protocol.

    Args:
        candidates: (X, Y, Z) bool, visible surface and occluded space.
        visible: (X, Y, Z) bool, the visible surface.

    Returns:
        ``nyu_ssc``: visible surface and occluded space, for semantics; ``nyu_sc``: only occluded
        space, for completion. The metric leaves out voxels labelled "ignore".
    """
    return dict(nyu_ssc=candidates, nyu_sc=candidates & ~visible)


def scan_masks(occluded: np.ndarray, invalid: np.ndarray) -> dict[str, np.ndarray]:
    """The voxels of a drive by what the scan sees of them. Each voxel is in exactly one set.

    Args:
        occluded: (X, Y, Z) bool, hidden from the scan of the sample (``.occluded``).
        invalid: (X, Y, Z) bool, not seen by any scan that the labels come from (``.invalid``).

    Returns:
        ``unobserved``: ``invalid``; ``occluded``: the others that are hidden; ``visible``: the
        rest. SemanticKITTI has no labels for unobserved voxels, so it has no scores there.
    """
    hidden = occluded & ~invalid
    return dict(visible=~(hidden | invalid), occluded=hidden, unobserved=invalid)


def nyu_masks(label_weight: np.ndarray, voxel_to_pixel: np.ndarray) -> dict[str, np.ndarray]:
    """The voxel sets of the NYU protocol as in 3D-Sketch, CleanerS and AMMNet.

    Args:
        label_weight: (X, Y, Z) bool.
        voxel_to_pixel: (X, Y, Z), -1 where the voxel is not on the visible surface.

    Returns:
        See :func:`visibility_masks`.
    """
    return visibility_masks(label_weight, voxel_to_pixel >= 0)
