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

    mmseg gives all its LayerNorms one epsilon; NVIDIA's weights, from which most checkpoints
    descend, were trained with 1e-5 in the norms of the patch embeddings and of the key/value
    reduction, and 1e-6 in the others. The difference moves the outputs by 2e-5.

    mmseg is imported when the first model is built, so that ``import mmssc.models`` stays cheap.

    Args:
        embed_dims: Channels of the first stage; stage i has ``embed_dims * num_heads[i]``.
        num_layers: Blocks of each stage. The default is MiT-B2.
        num_heads: Attention heads of each stage.
        sr_ratios: Key/value reduction of each stage.
        drop_path_rate: Stochastic depth of the last block; rises linearly from 0.
        frozen: No parameter learns.
        frozen_eval: A frozen encoder stays in evaluation mode, without stochastic depth. The
            authors of CleanerS and AMMNet leave it active, which is the default.
        eps: Epsilon of the LayerNorms of the blocks and the stage ends.
        embed_eps: Epsilon of the LayerNorms of patch embeddings and key/value reduction.
        init_cfg: Weights of the encoder: ``dict(type='Pretrained', checkpoint=...)`` with mmseg's
            names, e.g. a ``mit_b2`` file of mmseg's model zoo.
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
        for patch_embed, blocks, _ in self.encoder.layers:
            patch_embed.norm.eps = embed_eps
            for block in blocks:
                if block.attn.sr_ratio > 1:
                    block.attn.norm.eps = embed_eps
        self.out_channels = tuple(embed_dims * heads for heads in num_heads)
        self.frozen, self.frozen_eval = frozen, frozen_eval
        if frozen:
            self.requires_grad_(False)

    def init_weights(self) -> None:
        """As mmseg; random numbers include the biases of the first patch embedding.

        mmseg sets these to 0. The tokens of a padded part of an image, which is 0, are then 0 in
        all channels, and every LayerNorm on their way multiplies the gradient by 1 / sqrt(eps):
        the bias gets one of 1e8, beside which clipping leaves nothing of the others.
        """
        fresh = not self.is_init and self.encoder.init_cfg is None
        super().init_weights()
        if fresh:
            projection = self.encoder.layers[0][0].projection
            # PyTorch's own values of a convolution.
            bound = 1 / math.sqrt(projection.weight[0].numel())
            nn.init.uniform_(projection.bias, -bound, bound)

    def train(self, mode: bool = True) -> MiT:
        """Switch the mode; a frozen encoder may stay in evaluation mode (``frozen_eval``)."""
        return super().train(mode and not (self.frozen and self.frozen_eval))

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Encode.

        Args:
            images: (B, 3, H, W) float, normalised.

        Returns:
            One (B, C_i, H_i, W_i) per stage, at strides 4, 8, 16, 32 (sides rounded up).
        """
        return tuple(self.encoder(images))
