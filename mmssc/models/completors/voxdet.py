"""VoxDet: completion as dense detection (NeurIPS 2025, arXiv 2506.04623)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from mmssc.ops import prefer_onednn
from mmssc.registry import MODELS
from mmssc.structures import SSCDataSample, VoxelGrid

from .base_completor import BaseCompletor

__all__ = ['VoxDet']


@MODELS.register_module()
class VoxDet(BaseCompletor):
    """A front end that makes a volume, an encoder with two necks, and the head.

    Args:
        front_end: Maps the inputs to a volume (B, C, X, Y, Z), e.g. :class:`PointVolumeEncoder`;
            gets the grid of the volume as ``voxel_grid``.
        encoder: Backbone of the volume, e.g. :class:`VolumeResNet`.
        neck: Config of the necks of the encoder: one for the classes, one for the distances.
        head: :class:`VoxDetHead`.
        voxel_grid: Grid of the prediction (:class:`VoxelGrid` or its dict).
        aux_head: :class:`VolumeLogitsHead` on the volume of the front end, for training only.
        feature_scale: Output voxels per voxel of the volume along each axis.
        data_preprocessor: Config of the data preprocessor.
        test_cfg: See :class:`BaseCompletor`.
        init_cfg: Initialisation config of mmengine.

    Raises:
        DataError: A side of the grid is not a multiple of twice the ``feature_scale``.
    """

    official_method = 'voxdet-lidar'
    export_obstacle = 'the maximum over the points of a cell, whose number differs between scans'

    def __init__(
        self,
        front_end: dict[str, Any],
        encoder: dict[str, Any],
        neck: dict[str, Any],
        head: dict[str, Any],
        voxel_grid: VoxelGrid | Mapping[str, Any],
        aux_head: dict[str, Any] | None = None,
        feature_scale: int = 2,
        data_preprocessor: dict[str, Any] | None = None,
        test_cfg: Mapping[str, Any] | None = None,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(voxel_grid, data_preprocessor, test_cfg, init_cfg)
        # The distances have half the resolution of the volume.
        self.distance_step = 2 * feature_scale
        self.voxel_grid.coarsen(self.distance_step)
        feature_grid = self.voxel_grid.coarsen(feature_scale)
        self.front_end = MODELS.build({**front_end, 'voxel_grid': feature_grid})
        self.encoder = MODELS.build(encoder)
        self.class_neck, self.run_neck = MODELS.build(neck), MODELS.build(neck)
        self.head = MODELS.build(head)
        self.aux_head = None if aux_head is None else MODELS.build(aux_head)
        prefer_onednn(self)

    def extract_feat(self, inputs: dict[str, Any]) -> Tensor:
        """Volume of the front end, (B, C, X, Y, Z); ``inputs`` as it takes them."""
        return self.front_end(inputs)

    def forward_head(self, volume: Tensor) -> dict[str, Tensor]:
        """Outputs of the head (see :meth:`VoxDetHead.forward`) on a volume (B, C, X, Y, Z)."""
        maps = self.encoder(volume)
        return self.head(self.class_neck(maps), self.run_neck(maps), self.voxel_grid.shape)

    def loss(
        self, inputs: dict[str, Any], data_samples: Sequence[SSCDataSample]
    ) -> dict[str, Tensor]:
        """Losses of a batch; ``inputs`` as in :meth:`extract_feat`.

        Args:
            inputs: See :meth:`extract_feat`.
            data_samples: Samples with ``gt_voxels`` (X, Y, Z).

        Returns:
            The losses of the head, and ``loss_aux_<name>`` of the auxiliary head.
        """
        shape = self.voxel_grid.shape
        targets = self.head.targets(data_samples, shape, self.distance_step)
        volume = self.extract_feat(inputs)
        losses = self.head.loss(self.forward_head(volume), targets)
        if self.aux_head is not None:
            aux = self.aux_head.logit_losses(self.aux_head.classify(volume, shape), targets.labels)
            losses |= {name.replace('loss_', 'loss_aux_', 1): loss for name, loss in aux.items()}
        return losses

    @torch.no_grad()
    def predict_logits(self, inputs: dict[str, Any]) -> Tensor:
        """Logits (B, K, X, Y, Z); ``inputs`` as in :meth:`extract_feat`."""
        return self.forward_head(self.extract_feat(inputs))['logits']

    def forward_tensors(self, inputs: dict[str, Any]) -> dict[str, Tensor]:
        """``logits`` and ``distances`` of the head, then the ``volume`` of the front end."""
        volume = self.extract_feat(inputs)
        return {**self.forward_head(volume), 'volume': volume}
