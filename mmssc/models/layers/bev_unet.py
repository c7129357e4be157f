"""A 2D U-Net over the ground plane with the height as channels (LMSCNet, sec. 3)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ['BEVUNet']


class BEVUNet(nn.Module):
    """Map an occupancy volume to half resolution by 2D convolutions with z slices as channels.

    Args:
        height: Number f of z voxels of the input, a multiple of 8. The stages have f, 1.5 f, 2 f
            and 2.5 f channels, the side outputs f / 8, f / 4 and f / 2.
    """

    def __init__(self, height: int) -> None:
        super().__init__()
        widths = [height * factor // 2 for factor in (2, 3, 4, 5)]
        eighth, quarter, half = height // 8, height // 4, height // 2
        self.encoders = nn.ModuleList(
            _double_conv(before, after) for before, after in zip([height, *widths], widths)
        )
        self.out_1_8 = nn.Conv2d(widths[3], eighth, 3, padding=1)
        self.up_1_8 = nn.ConvTranspose2d(eighth, eighth, 6, stride=2, padding=2)
        self.decoder_1_4 = nn.Conv2d(eighth + widths[2], widths[2], 3, padding=1)
        self.out_1_4 = nn.Conv2d(widths[2], quarter, 3, padding=1)
        self.up_1_4 = nn.ConvTranspose2d(quarter, quarter, 6, stride=2, padding=2)
        self.up_1_8_to_1_2 = nn.ConvTranspose2d(eighth, eighth, 4, stride=4)
        self.decoder_1_2 = nn.Conv2d(quarter + widths[1] + eighth, widths[1], 3, padding=1)
        self.out_1_2 = nn.Conv2d(widths[1], half, 3, padding=1)

    def forward(self, occupancy: Tensor) -> Tensor:
        """Map (B, X, Y, Z) to (B, Z / 2, X / 2, Y / 2), z first. X, Y: multiples of 8."""
        return self.decode(self.encode(occupancy))[2]

    def encode(self, occupancy: Tensor) -> list[Tensor]:
        """Features of the four stages, (B, C, X / s, Y / s) with s = 1, 2, 4, 8."""
        x = occupancy.permute(0, 3, 1, 2)
        skips = []
        for stage, encoder in enumerate(self.encoders):
            x = encoder(F.max_pool2d(x, 2) if stage else x)
            skips.append(x)
        return skips

    def decode(self, skips: list[Tensor], finest: int = 2) -> dict[int, Tensor]:
        """Side outputs from the coarsest to the scale ``finest`` (2, 4 or 8).

        Returns:
            Scale s -> (B, Z / s, X / s, Y / s), the heights of a volume as channels.
        """
        outputs = {8: self.out_1_8(skips[3])}
        if finest <= 4:
            x = torch.cat([self.up_1_8(outputs[8]), skips[2]], dim=1)
            outputs[4] = self.out_1_4(F.relu(self.decoder_1_4(x)))
        if finest <= 2:
            parts = [self.up_1_4(outputs[4]), skips[1], self.up_1_8_to_1_2(outputs[8])]
            outputs[2] = self.out_1_2(F.relu(self.decoder_1_2(torch.cat(parts, dim=1))))
        return outputs


def _double_conv(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(out_channels, out_channels, 3, padding=1),
        nn.ReLU(),
    )
