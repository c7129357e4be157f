"""Pixel decoder of MaskDINO (Li et al., CVPR 2023, arXiv 2206.02777)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmcv.cnn.bricks.transformer import FFN
from mmengine.model import BaseModule, ModuleList
from torch import Tensor, nn

from mmssc.ops import MultiScaleDeformableAttention
from mmssc.registry import MODELS

__all__ = ['DeformableEncoder', 'MaskDINOPixelDecoder', 'token_centers']


def token_centers(
    shapes: Sequence[tuple[int, int]], device: torch.device | str | None = None
) -> Tensor:
    """Centre of every cell of several maps, repeated for each map.

    Args:
        shapes: (height, width) of each of the L maps.
        device: Device of the result.

    Returns:
        (1, S, L, 2) float32 as (x, y) in 0..1; S counts the cells of all maps, map by map,
        row by row.
    """
    centers = []
    for height, width in shapes:
        y = (torch.arange(height, dtype=torch.float32, device=device) + 0.5) / height
        x = (torch.arange(width, dtype=torch.float32, device=device) + 0.5) / width
        rows, columns = torch.meshgrid(y, x, indexing='ij')
        centers.append(torch.stack([columns, rows], -1).flatten(0, 1))
    return torch.cat(centers)[None, :, None].expand(-1, -1, len(shapes), -1)


class _EncoderLayer(nn.Module):
    """Post-norm layer: deformable self-attention and a feed-forward network."""

    def __init__(
        self, embed_dims: int, feedforward_channels: int, attention: dict[str, Any]
    ) -> None:
        super().__init__()
        self.self_attn = MultiScaleDeformableAttention(embed_dims, dropout=0.0, **attention)
        self.ffn = FFN(embed_dims, feedforward_channels)
        self.norms = ModuleList([nn.LayerNorm(embed_dims), nn.LayerNorm(embed_dims)])

    def forward(
        self,
        tokens: Tensor,
        position: Tensor,
        reference_points: Tensor,
        shapes: Sequence[tuple[int, int]],
    ) -> Tensor:
        attended = self.self_attn(tokens, tokens, reference_points, shapes, query_pos=position)
        return self.norms[1](self.ffn(self.norms[0](attended)))


class DeformableEncoder(nn.Module):
    """Deformable self-attention layers: the cells of all maps attend to points on all maps.

    Args:
        num_layers: Number of layers.
        embed_dims: Channels C.
        feedforward_channels: Hidden channels of the feed-forward networks.
        attention: Further arguments of :class:`~mmssc.ops.MultiScaleDeformableAttention`.
    """

    def __init__(
        self, num_layers: int, embed_dims: int, feedforward_channels: int, **attention: Any
    ) -> None:
        super().__init__()
        self.layers = ModuleList(
            _EncoderLayer(embed_dims, feedforward_channels, attention) for _ in range(num_layers)
        )

    def forward(
        self, tokens: Tensor, position: Tensor, shapes: Sequence[tuple[int, int]]
    ) -> Tensor:
        """Map (B, S, C) with positions (1 or B, S, C) to the same shape."""
        centers = token_centers(shapes, tokens.device).expand(len(tokens), -1, -1, -1)
        for layer in self.layers:
            tokens = layer(tokens, position, centers, shapes)
        return tokens


class _Transformer(nn.Module):
    """Container of the two parts with the prefix ``transformer`` in checkpoints."""

    def __init__(self, encoder: DeformableEncoder, num_levels: int, embed_dims: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.level_embed = nn.Parameter(torch.randn(num_levels, embed_dims))


@MODELS.register_module()
class MaskDINOPixelDecoder(BaseModule):
    """Deformable transformer encoder over four levels of an image backbone.

    Parameters have the names of MaskDINO's checkpoints in mmdet's format, so ``init_cfg`` can load
    them: ``dict(type='Pretrained', prefix='panoptic_head.pixel_decoder.',
    checkpoint=...)``. The mask branch of MaskDINO (``mask_features``, ``adapter_1``, ``layer_1``)
    is not built, because nothing here uses it and it would get no gradient.

    Args:
        in_channels: Channels of the backbone levels at strides 8, 16 and 32.
        embed_dims: Channels C of the output.
        num_layers: Layers of the encoder.
        num_heads: Attention heads.
        num_points: Sampling points per head and level.
        feedforward_channels: Hidden channels of the feed-forward networks.
        num_outputs: Number of returned levels, from stride 8 on.
        chunk_size: See :func:`~mmssc.ops.deformable_attention`.
        with_cp: See :func:`~mmssc.ops.deformable_attention`.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        embed_dims: int,
        num_layers: int = 6,
        num_heads: int = 8,
        num_points: int = 4,
        feedforward_channels: int = 2048,
        num_outputs: int = 2,
        chunk_size: int | None = None,
        with_cp: bool = False,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.num_outputs = num_outputs
        projections = [nn.Conv2d(channels, embed_dims, 1) for channels in in_channels]
        # One more level, at half the resolution of the last one.
        projections.append(nn.Conv2d(in_channels[-1], embed_dims, 3, stride=2, padding=1))
        groups = max(1, embed_dims // 8)
        self.input_proj = ModuleList(
            nn.Sequential(conv, nn.GroupNorm(groups, embed_dims)) for conv in projections
        )
        num_levels = len(projections)
        encoder = DeformableEncoder(
            num_layers,
            embed_dims,
            feedforward_channels,
            num_heads=num_heads,
            num_levels=num_levels,
            num_points=num_points,
            chunk_size=chunk_size,
            with_cp=with_cp,
        )
        self.transformer = _Transformer(encoder, num_levels, embed_dims)
        self.position = MODELS.build(
            dict(type='mmdet.SinePositionalEncoding', num_feats=embed_dims // 2, normalize=True)
        )
        for conv in projections:
            nn.init.xavier_uniform_(conv.weight)
            if conv.bias is not None:
                nn.init.zeros_(conv.bias)

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Encode backbone levels.

        Args:
            features: Backbone levels at strides 8, 16 and 32, (B, C_i, H_i, W_i); earlier
                levels are ignored.

        Returns:
            ``num_outputs`` maps (B, C, H_i, W_i), float32 also under autocast.
        """
        return self.encode_levels(features)[: self.num_outputs]

    def encode_levels(self, features: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Encode all levels, including those that :meth:`forward` does not return."""
        features = features[-(len(self.input_proj) - 1) :]
        maps = [proj(level) for proj, level in zip(self.input_proj, (*features, features[-1]))]
        shapes = [(int(level.shape[2]), int(level.shape[3])) for level in maps]
        positions = [
            self._positions(shape, level.device) + embed
            for shape, level, embed in zip(shapes, maps, self.transformer.level_embed)
        ]
        tokens = torch.cat([level.flatten(2).transpose(1, 2) for level in maps], 1)
        tokens = self.transformer.encoder(tokens, torch.cat(positions, 1), shapes)
        parts = tokens.split([height * width for height, width in shapes], dim=1)
        return tuple(part.transpose(1, 2).unflatten(2, shape) for part, shape in zip(parts, shapes))

    def _positions(self, shape: tuple[int, int], device: torch.device) -> Tensor:
        nothing_masked = torch.zeros(1, *shape, dtype=torch.bool, device=device)
        return self.position(nothing_masked).flatten(2).transpose(1, 2)
