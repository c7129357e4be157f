"""Blocks of mmseg's ``MixVisionTransformer`` that are fast on a CPU.

Importing this module imports mmseg, so :class:`MiT` does it when it is built.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from mmseg.models.backbones.mit import EfficientMultiheadAttention, MixFFN
from torch import Tensor, nn

from mmssc.geometry.tracing import has_values
from mmssc.ops import linear

__all__ = ['use_row_blocks']


def use_row_blocks(block: nn.Module) -> None:
    """Let a ``TransformerEncoderLayer`` compute its attention and its network on rows.

    Parameters, their names and random numbers stay the same; results differ by rounding only. With
    another device, or in a traced program, nothing changes.

    Args:
        block: Changed in place.
    """
    attention, network = block.get_submodule('attn'), block.get_submodule('ffn')
    if type(attention) is EfficientMultiheadAttention:
        attention.__class__ = _RowAttention
    if type(network) is MixFFN:
        network.__class__ = _RowFFN


class _RowAttention(EfficientMultiheadAttention):
    """Projections by oneDNN, attention without the mean of the weights that nobody reads."""

    def forward(
        self, x: Tensor, hw_shape: tuple[int, int], identity: Tensor | None = None
    ) -> Tensor:
        """Map tokens (B, H W, C) of an image of ``hw_shape`` to the same shape."""
        attn = self.attn
        # Dropout of weights draws other random numbers here.
        drops = self.training and attn.dropout > 0
        if drops or not self.batch_first or not _works_on_rows(x):
            return super().forward(x, hw_shape, identity)
        tokens = x
        if self.sr_ratio > 1:
            tokens = self.norm(_rows(self.sr(_image(x, hw_shape))))
        side = self.embed_dims
        bias = attn.in_proj_bias
        to_query, to_pair = attn.in_proj_weight[:side], attn.in_proj_weight[side:]
        query_bias, pair_bias = (None, None) if bias is None else (bias[:side], bias[side:])
        query = linear(x, to_query, query_bias)
        pair = linear(tokens, to_pair, pair_bias)
        query, key, value = (
            one.unflatten(2, (self.num_heads, -1)).transpose(1, 2)
            for one in (query, *pair.chunk(2, -1))
        )
        mixed = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        output = linear(mixed, attn.out_proj.weight, attn.out_proj.bias)
        return (x if identity is None else identity) + self.dropout_layer(self.proj_drop(output))


class _RowFFN(MixFFN):
    """Its 1x1 convolutions are linear layers, and no token leaves its row."""

    def forward(
        self, x: Tensor, hw_shape: tuple[int, int], identity: Tensor | None = None
    ) -> Tensor:
        """Map tokens (B, H W, C) of an image of ``hw_shape`` to the same shape."""
        if not _works_on_rows(x):
            return super().forward(x, hw_shape, identity)
        widen, depthwise, activate, drop, narrow, drop_end = self.layers
        hidden = _pointwise(x, widen)
        hidden = drop(activate(_rows(depthwise(_image(hidden, hw_shape)))))
        output = drop_end(_pointwise(hidden, narrow))
        return (x if identity is None else identity) + self.dropout_layer(output)


def _works_on_rows(x: Tensor) -> bool:
    return x.device.type == 'cpu' and has_values() and not torch.jit.is_tracing()


def _pointwise(rows: Tensor, conv: Any) -> Tensor:
    return linear(rows, conv.weight.flatten(1), conv.bias)


def _image(rows: Tensor, hw_shape: tuple[int, int]) -> Tensor:
    """Tokens (B, H W, C) as an image (B, C, H, W), channels-last."""
    return rows.unflatten(1, hw_shape).permute(0, 3, 1, 2)


def _rows(image: Tensor) -> Tensor:
    return image.permute(0, 2, 3, 1).flatten(1, 2)
