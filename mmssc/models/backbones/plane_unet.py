"""The backbone of LMSCNet: a 2D U-Net over the ground plane, up to full resolution."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmssc.errors import DataError
from mmssc.models.layers.bev_unet import BEVUNet
from mmssc.registry import MODELS

__all__ = ['PlaneUNet']


@MODELS.register_module()
class PlaneUNet(nn.Module):
    """:class:`BEVUNet` with one more output, at full resolution (LMSCNet).

    Args:
        voxel_shape: Voxels of the input along x, y, z, multiples of 8. Only z decides the size of
            the network. :class:`LidarCompletor` gives its own.

    Raises:
        DataError: A side is not a multiple of 8.
    """

    def __init__(self, voxel_shape: Sequence[int]) -> None:
        if any(side < 8 or side % 8 for side in voxel_shape):
            expected = 'multiples of 8 for PlaneUNet'
            raise DataError('config', 'model.voxel_grid.shape', expected, tuple(voxel_shape))
        super().__init__()
        height = voxel_shape[2]
        self.unet = BEVUNet(height)
        eighth, quarter, half = height // 8, height // 4, height // 2
        self.up_1_2 = nn.ConvTranspose2d(half, half, 6, stride=2, padding=2)
        self.up_1_4_to_1_1 = nn.ConvTranspose2d(quarter, quarter, 4, stride=4)
        self.up_1_8_to_1_1 = nn.ConvTranspose2d(eighth, eighth, 8, stride=8)
        channels = half + height + quarter + eighth
        self.decoder_1_1 = nn.Conv2d(channels, height, 3, padding=1)

    def forward(self, occupancy: Tensor, finest: int = 1) -> dict[int, Tensor]:
        """Compute volumes at the scales 8, 4, 2, 1, from the coarsest to ``finest``.

        Only the volume at full resolution passed a ReLU, as in the reference.

        Args:
            occupancy: (B, X, Y, Z), 0 or 1.
            finest: Scale after which to stop.

        Returns:
            Scale s -> (B, X / s, Y / s, Z / s).
        """
        skips = self.unet.encode(occupancy)
        outputs = self.unet.decode(skips, finest)
        if finest == 1:
            parts = (
                self.up_1_2(outputs[2]),
                skips[0],
                self.up_1_4_to_1_1(outputs[4]),
                self.up_1_8_to_1_1(outputs[8]),
            )
            outputs[1] = F.relu(self.decoder_1_1(torch.cat(parts, dim=1)))
        return {scale: volume.permute(0, 2, 3, 1) for scale, volume in outputs.items()}
