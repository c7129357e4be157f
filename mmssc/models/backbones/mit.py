"""Mix Vision Transformer of SegFormer (Xie et al., NeurIPS 2021, arXiv 2105.15203)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from mmengine.model import BaseModule
from torch import Tensor, nn

from mmssc.registry import MODELS

__all__ = ['MiT']


@MODELS.register_module()
class MiT(BaseModule):
    """mmseg's ``MixVisionTransformer`` with the two LayerNorm epsilons of NVIDIA's code.

    mmseg uses one epsilon for all LayerNorms. NVIDIA's weights, the source of most checkpoints,
    were trained with 1e-5 in the norms of the patch embeddings and of the key/value reduction, and
    1e-6 in the others. The difference changes the outputs by 2e-5.

    mmseg is imported when the first model is built, so ``import mmssc.models`` stays fast.

    Args:
        embed_dims: Channels of the first stage; stage i has ``embed_dims * num_heads[i]``.
        num_layers: Blocks of each stage. The default is MiT-B2.
        num_heads: Attention heads of each stage.
        sr_ratios: Key/value reduction of each stage.
        drop_path_rate: Rate of stochastic depth in the last block; it rises linearly from 0.
        frozen: Train no parameter.
        frozen_eval: Keep a frozen encoder in evaluation mode, without stochastic depth.
            False, as in the code of CleanerS and AMMNet, keeps stochastic depth on.
        eps: Epsilon of the LayerNorms of the blocks and the stage ends.
        embed_eps: Epsilon of the LayerNorms of patch embeddings and key/value reduction.
        init_cfg: Weights of the encoder: ``dict(type='Pretrained', checkpoint=...)`` with mmseg's
            parameter names, e.g. a ``mit_b2`` file of mmseg's model zoo.
        encoder: Further arguments of ``mmseg.MixVisionTransformer``.
    """

    def __init__(
        self,
        embed_dims: int = 64,
        num_layers: Sequence[int] = (3, 4, 6, 3),
        num_heads: Sequence[int] = (1, 2, 5, 8),
        sr_ratios: Sequence[int] = (8, 4, 2, 1),
        drop_path_rate: float = 0.1,
        frozen: bool = True,
        frozen_eval: bool = False,
        eps: float = 1e-6,
        embed_eps: float = 1e-5,
        init_cfg: dict[str, Any] | None = None,
        **encoder: Any,
    ) -> None:
        super().__init__()
        self.encoder = MODELS.build(
            dict(
                type='mmseg.MixVisionTransformer',
                embed_dims=embed_dims,
                num_stages=len(num_layers),
                num_layers=list(num_layers),
                num_heads=list(num_heads),
                sr_ratios=list(sr_ratios),
                out_indices=tuple(range(len(num_layers))),
                drop_path_rate=drop_path_rate,
                norm_cfg=dict(type='LN', eps=eps),
                init_cfg=init_cfg,
                **encoder,
            )
        )
        from .mit_blocks import use_row_blocks

        for patch_embed, blocks, _ in self.encoder.layers:
            patch_embed.norm.eps = embed_eps
            for block in blocks:
                use_row_blocks(block)
                if block.attn.sr_ratio > 1:
                    block.attn.norm.eps = embed_eps
        self.out_channels = tuple(embed_dims * heads for heads in num_heads)
        self.frozen, self.frozen_eval = frozen, frozen_eval
        if frozen:
            self.requires_grad_(False)

    def init_weights(self) -> None:
        """Initialise as mmseg does, but with random biases in the first patch embedding.

        mmseg sets these biases to 0. The tokens of zero padding are then 0 in all channels, and
        every LayerNorm multiplies their gradient by 1 / sqrt(eps). The bias gets a gradient of
        1e8, and gradient clipping then scales all other gradients to almost 0.
        """
        fresh = not self.is_init and self.encoder.init_cfg is None
        super().init_weights()
        if fresh:
            projection = self.encoder.layers[0][0].projection
            # PyTorch's default for a convolution.
            bound = 1 / math.sqrt(projection.weight[0].numel())
            nn.init.uniform_(projection.bias, -bound, bound)

    def train(self, mode: bool = True) -> MiT:
        """Set the mode; with ``frozen_eval`` a frozen encoder stays in evaluation mode."""
        return super().train(mode and not (self.frozen and self.frozen_eval))

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Encode images.

        Args:
            images: (B, 3, H, W) float, normalised.

        Returns:
            One (B, C_i, H_i, W_i) per stage, at strides 4, 8, 16, 32 (sides rounded up).
        """
        return tuple(self.encoder(images))
