"""Volume features from a 2D segmentation, lifted by depth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.model import BaseModule
from torch import Tensor

from mmssc.errors import DataError
from mmssc.geometry.tracing import has_values
from mmssc.models.layers.ddr import conv_stack
from mmssc.registry import MODELS

__all__ = ['SegmentationEncoder', 'lift_segmentation']

_PLAIN_BN = dict(type='BN')


@MODELS.register_module()
class SegmentationEncoder(BaseModule):
    """Lift one-hot ids of a 2D segmentation to the voxels, then apply 3x3x3 convolutions.

    Replaces lifted image features if the segmentation is precomputed (AMMNet with DeepLabv3).

    Args:
        num_segments: Number of ids of the segmentation.
        widths: Channels after each 3x3x3 convolution.
        norm_cfg: Normalisation.
    """

    def __init__(
        self,
        num_segments: int,
        widths: Sequence[int],
        norm_cfg: dict[str, Any] = _PLAIN_BN,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.num_segments = num_segments
        self.stem = conv_stack((num_segments, *widths), norm_cfg)

    def forward(self, segmentation: Tensor, voxel_to_pixel: Tensor) -> Tensor:
        """Map the arguments of :func:`lift_segmentation` to (B, widths[-1], X, Y, Z)."""
        volume = lift_segmentation(segmentation, voxel_to_pixel, self.num_segments)
        return self.stem(volume.to(next(self.stem.parameters()).dtype))


def lift_segmentation(segmentation: Tensor, voxel_to_pixel: Tensor, num_segments: int) -> Tensor:
    """Lift segmentation ids to the voxels that pixels hit, as one-hot channels.

    Args:
        segmentation: (B, H, W) integers in [0, num_segments).
        voxel_to_pixel: (B, X, Y, Z) integers, flat pixel index ``row * width + column``; -1 where
            no pixel hits the voxel.
        num_segments: Number of ids.

    Returns:
        (B, num_segments, X, Y, Z) float32; all channels are 0 where no pixel hits the voxel.

    Raises:
        DataError: An id is not in [0, num_segments), or a pixel lies outside the image.
    """
    ids = segmentation.flatten(1).long()
    pixel = voxel_to_pixel.flatten(1).long()
    if has_values():
        _check_values(ids, num_segments, pixel)
    at_voxel = ids.gather(1, pixel.clamp_min(0))
    volume = torch.zeros(
        ids.shape[0], num_segments, pixel.shape[1], dtype=torch.float32, device=ids.device
    )
    volume.scatter_(1, at_voxel[:, None], (pixel >= 0).float()[:, None])
    return volume.unflatten(2, voxel_to_pixel.shape[1:])


def _check_values(ids: Tensor, num_segments: int, pixel: Tensor) -> None:
    found = int(ids.max())
    if found >= num_segments:
        raise DataError(
            'inputs', 'segmentation', f'ids below {num_segments}', found,
            'Set model.segmentation_encoder.num_segments to the number of ids',
        )  # fmt: skip
    if int(pixel.max()) >= ids.shape[1]:
        raise DataError(
            'inputs', 'voxel_to_pixel', f'pixels below {ids.shape[1]}', int(pixel.max()),
            'The mapping and the segmentation are of images of different sizes',
        )  # fmt: skip
