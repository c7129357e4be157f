"""Learned position codes of the voxels of a scene."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmssc.errors import DataError

__all__ = ['ScenePosition']


class ScenePosition(nn.Module):
    """A learned position code for every voxel, from three embedding tables and a linear layer.

    Symphonies has one table each for x, y and z, and the tables of x and y are finer than the
    volume. With a squeeze of (a, b), the a b voxels along z that share a row of the z table use
    different rows of the x and y tables. Voxel (x, y, z) with s = z mod (a b) gets::

        proj(concat(E0[a x + s div b], E1[b y + s mod b], E2[z div (a b)]))

    This is computed as three small matrix products, added by broadcasting.

    Args:
        shape: (X, Y, Z) of the volume; Z is a multiple of a b.
        embed_dims: Channels C; each table has C / 2.
        squeeze: (a, b).

    Raises:
        DataError: Z is not a multiple of a b.
    """

    def __init__(
        self, shape: Sequence[int], embed_dims: int, squeeze: tuple[int, int] = (2, 2)
    ) -> None:
        super().__init__()
        x, y, z = shape
        self.shape, self.squeeze = (x, y, z), squeeze
        a, b = squeeze
        if z % (a * b):
            expected = f'a height that is a multiple of {a * b}'
            raise DataError('config', 'working volume', expected, (x, y, z))
        rows = a * x, b * y, z // (a * b)
        self.embeds = nn.ModuleList(nn.Embedding(count, embed_dims // 2) for count in rows)
        self.proj = nn.Linear(3 * (embed_dims // 2), embed_dims)

    def forward(self) -> Tensor:
        """Codes (X * Y * Z, C) float32, row ``(x * Y + y) * Z + z``."""
        x, y, z = self.shape
        a, b = self.squeeze
        with torch.autocast(self.proj.weight.device.type, enabled=False):
            parts = self.proj.weight.chunk(3, dim=1)
            tables = self.embeds.parameters()
            codes = [F.linear(table, part) for table, part in zip(tables, parts)]
        along_x = codes[0].view(x, 1, 1, a, 1, -1)
        along_y = codes[1].view(1, y, 1, 1, b, -1)
        along_z = codes[2].view(1, 1, z // (a * b), 1, 1, -1) + self.proj.bias
        return (along_x + along_y + along_z).reshape(x * y * z, -1)
