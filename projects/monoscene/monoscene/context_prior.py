"""3D context relation prior of MonoScene (section 3.2 of the paper)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmssc.models.layers import DDRBottleneck3D, ResidualASPP3d
from mmssc.ops import channels_last_on_cpu

__all__ = ['ContextPrior']


class ContextPrior(nn.Module):
    """Give every voxel the context of the mega voxels that it is related to.

    A mega voxel is a block of 2 x 2 x 2 voxels; how likely a voxel stands in each relation to each
    of them is predicted, see :func:`mmssc.geometry.context_relations` for the targets.

    Args:
        channels: Width C of the volume, a multiple of 4.
        shape: (X, Y, Z) of the volume; the predicted relations fix it.
        num_relations: R.
    """

    def __init__(self, channels: int, shape: Sequence[int], num_relations: int = 4) -> None:
        super().__init__()
        context = 2 * channels
        self.aspp = ResidualASPP3d(channels)
        # So that a side of n gives n // 2 mega voxels, also for odd n.
        x, y, z = ((side + 1) % 2 for side in shape)
        self.mega_context = nn.Conv3d(channels, context, 3, stride=2, padding=(x, y, z))
        num_mega = 1
        for side in shape:
            num_mega *= side // 2
        self.relations = nn.ModuleList(
            nn.Conv3d(channels, num_mega, 1) for _ in range(num_relations)
        )
        self.merge = nn.Conv3d(channels + num_relations * context, channels, 1, bias=False)
        self.refine = DDRBottleneck3D(channels, channels // 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map (B, C, X, Y, Z) to the same shape, and to relation logits.

        Returns:
            The volume, and logits (B, R, M, N) between the M mega voxels and the N voxels.
        """
        shape = x.shape[2:]
        pooled = self.aspp(x)
        mega = self.mega_context(pooled).flatten(2)
        logits = [relation(pooled).flatten(2) for relation in self.relations]
        contexts = [torch.bmm(mega, one.sigmoid()).unflatten(2, shape) for one in logits]
        joined = torch.cat([x, *contexts], dim=1)
        merged = self.merge(channels_last_on_cpu(joined))
        return self.refine(merged), torch.stack(logits, dim=1)
