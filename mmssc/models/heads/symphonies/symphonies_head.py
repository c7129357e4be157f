"""Head of Symphonies: instance queries, decoder, losses (CVPR 2024, arXiv 2306.15670)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from mmengine.model import BaseModule, ModuleList
from torch import Tensor, nn

from mmssc.models.layers import build_norm
from mmssc.models.lifters import VolumeProjection
from mmssc.models.losses.volume_losses import volume_losses
from mmssc.registry import MODELS
from mmssc.structures import SSCDataSample

__all__ = ['SymphoniesHead']

_PLAIN_BN = dict(type='BN')


class _FeatureProjection(nn.Module):
    """Two 1x1 convolutions that project an image map to the channels of the scene."""

    def __init__(self, in_channels: int, channels: int, norm_cfg: dict[str, Any]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 1)
        self.norm = build_norm(norm_cfg, channels, 2)
        self.conv2 = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(F.relu(self.norm(self.conv1(x))))


@MODELS.register_module()
class SymphoniesHead(BaseModule):
    """Learned instance queries and their image points, the decoder, and the losses of its outputs.

    The queries are the same for every image, as in the released model; nothing is selected from
    the image before the first layer.

    Args:
        decoder: Config of :class:`SymphoniesDecoder`.
        num_classes: Number of classes K, including empty.
        in_channels: Channels of the image maps, finest first.
        embed_dims: Channels C.
        num_queries: Number of instance queries Q.
        norm_cfg: Normalisation of the projections and of the decoder.
        aux_weight: Factor of the losses of all outputs but the last.
        losses: Loss name, e.g. ``'ce_ssc'`` -> config; each applies to every output.
    """

    def __init__(
        self,
        decoder: dict[str, Any],
        num_classes: int,
        in_channels: Sequence[int],
        embed_dims: int = 128,
        num_queries: int = 100,
        norm_cfg: dict[str, Any] = _PLAIN_BN,
        aux_weight: float = 0.5,
        losses: dict[str, dict[str, Any]] | None = None,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.num_classes, self.aux_weight = num_classes, aux_weight
        self.query_embed = nn.Embedding(num_queries, embed_dims)
        self.query_points = nn.Embedding(num_queries, 2)
        self.feature_projs = ModuleList(
            _FeatureProjection(channels, embed_dims, norm_cfg) for channels in in_channels
        )
        shared = dict(
            num_classes=num_classes,
            embed_dims=embed_dims,
            num_levels=len(in_channels),
            norm_cfg=norm_cfg,
        )
        self.decoder = MODELS.build({**shared, **decoder})
        self.losses = nn.ModuleDict(
            {name: MODELS.build(cfg) for name, cfg in (losses or {}).items()}
        )

    def forward(
        self,
        features: Sequence[Tensor],
        views: Sequence[VolumeProjection],
        all_outputs: bool = True,
    ) -> list[Tensor]:
        """Decode the scenes of a batch.

        Args:
            features: Image maps (B, C_i, h_i, w_i), finest first.
            views: Projection of each sample.
            all_outputs: Logits after every layer, not only after the last one.

        Returns:
            Logits (B, K, sX, sY, sZ) per output, axes x, y, z, in the order of the layers.
        """
        maps = [proj(level) for proj, level in zip(self.feature_projs, features)]
        batch_size = len(maps[0])
        queries = self.query_embed.weight.expand(batch_size, -1, -1)
        points = self.query_points.weight.sigmoid().expand(batch_size, -1, -1)
        return self.decoder(queries, points, maps, views, all_outputs=all_outputs)

    def loss(
        self, outputs: Sequence[Tensor], data_samples: Sequence[SSCDataSample]
    ) -> dict[str, Tensor]:
        """``loss_<name>_<i>`` of output i.

        Args:
            outputs: Logits (B, K, X, Y, Z) in the axes of the labels.
            data_samples: Samples with ``gt_voxels`` (X, Y, Z) and the ``extra_targets`` of the
                losses.

        Raises:
            DataError: A target is missing or differs in size from the prediction.
        """
        losses = {}
        for number, logits in enumerate(outputs):
            factor = 1.0 if number == len(outputs) - 1 else self.aux_weight
            for name, value in volume_losses(self.losses, logits, data_samples).items():
                losses[f'loss_{name}_{number}'] = factor * value
        return losses
