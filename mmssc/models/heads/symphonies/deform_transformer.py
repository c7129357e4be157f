"""Transformer layers of Symphonies (Jiang et al., CVPR 2024, arXiv 2306.15670)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mmssc.ops import MultiScaleDeformableAttention

__all__ = [
    'DeformableTransformerLayer', 'SqueezedDeformableLayer', 'TransformerLayer', 'squeeze_points',
    'squeeze_volume',
]  # fmt: skip


def _feed_forward(embed_dims: int, mlp_ratio: int) -> nn.Sequential:
    hidden = embed_dims * mlp_ratio
    return nn.Sequential(nn.Linear(embed_dims, hidden), nn.GELU(), nn.Linear(hidden, embed_dims))


class _PreNormLayer(nn.Module):
    """Base of the layers: a norm, and a second norm with a feed-forward network if it has one."""

    def __init__(self, embed_dims: int, mlp_ratio: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(embed_dims)
        self.mlp_ratio = mlp_ratio
        if mlp_ratio:
            self.norm2 = nn.LayerNorm(embed_dims)
            self.ffn = _feed_forward(embed_dims, mlp_ratio)

    def _feed(self, x: Tensor) -> Tensor:
        return x + self.ffn(self.norm2(x)) if self.mlp_ratio else x


class _DeformableLayer(_PreNormLayer):
    """Base of the two deformable layers. Arguments: :class:`DeformableTransformerLayer`."""

    def __init__(
        self,
        embed_dims: int,
        num_levels: int,
        num_points: int = 4,
        num_heads: int = 8,
        mlp_ratio: int = 4,
        **attention: Any,
    ) -> None:
        super().__init__(embed_dims, mlp_ratio)
        self.attn = MultiScaleDeformableAttention(
            embed_dims, num_heads, num_levels, num_points, **attention
        )

    def _attend(
        self,
        query: Tensor,
        value: Tensor,
        reference_points: Tensor,
        spatial_shapes: Sequence[tuple[int, int]],
        query_pos: Tensor | None,
    ) -> Tensor:
        attended = self.attn(
            self.norm1(query), value, reference_points, spatial_shapes, query_pos=query_pos
        )
        return self._feed(query + attended)


class DeformableTransformerLayer(_DeformableLayer):
    """Pre-norm layer: deformable cross-attention and a feed-forward network.

    As in the official code, the normalised query is added twice: by the attention and by this
    layer. The values are not normalised.

    Args:
        embed_dims: Channels C.
        num_levels: Number of attended maps.
        num_points: Sampling points per head and map.
        num_heads: Attention heads.
        mlp_ratio: Hidden channels of the feed-forward network divided by C; 0 leaves it out.
        attention: Further arguments of :class:`~mmssc.ops.MultiScaleDeformableAttention`.
    """

    def forward(
        self,
        query: Tensor,
        value: Tensor,
        reference_points: Tensor,
        spatial_shapes: Sequence[tuple[int, int]],
        query_pos: Tensor | None = None,
    ) -> Tensor:
        """Arguments and result (B, Q, C) are those of the attention."""
        return self._attend(query, value, reference_points, spatial_shapes, query_pos)


class SqueezedDeformableLayer(_DeformableLayer):
    """A deformable layer on a volume that is laid out as one image, with z folded into x.

    Args:
        embed_dims: Channels C.
        exact: Divide the height offset of a reference point by X, which gives its true row in the
            image. The official code divides by Z, an error of up to X / (2 Z) cells of x. The
            learned offsets correct for this, so published weights need ``exact=False``.
        layer: Further arguments of :class:`DeformableTransformerLayer`.
    """

    def __init__(
        self, embed_dims: int, num_points: int = 8, exact: bool = False, **layer: Any
    ) -> None:
        super().__init__(embed_dims, num_levels=1, num_points=num_points, **layer)
        self.exact = exact

    def forward(
        self,
        query: Tensor,
        volume: Tensor,
        reference_points: Tensor,
        query_pos: Tensor | None = None,
    ) -> Tensor:
        """Attend to a volume.

        Args:
            query: (B, Q, C).
            volume: (B, X, Y, Z, C).
            reference_points: (B, Q, 1, 3) as (x, y, z) in 0..1.
            query_pos: (B, Q, C).

        Returns:
            (B, Q, C).
        """
        value, shapes = squeeze_volume(volume)
        reference = squeeze_points(reference_points, volume.shape[1:4], self.exact)
        return self._attend(query, value, reference, shapes, query_pos)


def squeeze_volume(volume: Tensor) -> tuple[Tensor, list[tuple[int, int]]]:
    """Lay out a volume (B, X, Y, Z, C) as an image of X * Z rows and Y columns, row ``x * Z + z``.

    Returns:
        (B, X * Z * Y, C), and the (height, width) of the image in a list.
    """
    x, y, z = volume.shape[1:4]
    return volume.transpose(2, 3).flatten(1, 3), [(x * z, y)]


def squeeze_points(points: Tensor, shape: Sequence[int], exact: bool = False) -> Tensor:
    """Map points of a volume to the image of :func:`squeeze_volume`.

    Args:
        points: (..., 3) as (x, y, z), 0..1 in the volume.
        shape: (X, Y, Z).
        exact: See :class:`SqueezedDeformableLayer`.

    Returns:
        (..., 2) as (column, row), 0..1 in the image.
    """
    x, y, z = points.unbind(-1)
    return torch.stack([y, x + (z - 0.5) / shape[0 if exact else 2]], -1)


class TransformerLayer(_PreNormLayer):
    """Attention and a feed-forward network; the query is normalised, keys and values are not.

    Args:
        embed_dims: Channels C.
        num_heads: Attention heads.
        mlp_ratio: As in :class:`DeformableTransformerLayer`.
    """

    def __init__(self, embed_dims: int, num_heads: int = 8, mlp_ratio: int = 4) -> None:
        super().__init__(embed_dims, mlp_ratio)
        self.attn = nn.MultiheadAttention(embed_dims, num_heads, batch_first=True)

    def forward(
        self,
        query: Tensor,
        key: Tensor | None = None,
        query_pos: Tensor | None = None,
        key_pos: Tensor | None = None,
    ) -> Tensor:
        """Attend to keys and values.

        Args:
            query: (B, Q, C).
            key: (B, K, C), keys and values; None: self-attention of the query with ``query_pos``.
            query_pos: (B, Q, C), added to the normalised query.
            key_pos: (B, K, C), added to the keys, not to the values.

        Returns:
            (B, Q, C).
        """
        if key is None:
            key, key_pos = query, query_pos
        normed = self.norm1(query)
        attended = self.attn(
            normed if query_pos is None else normed + query_pos,
            key if key_pos is None else key + key_pos,
            key,
            need_weights=False,
        )[0]
        return self._feed(query + attended)
