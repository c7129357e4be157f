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
from .train_window import check_window, draw_window

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
        train_window: Columns along the first two axes that a training step takes, from a place that
            is drawn for each batch: multiples of 16. None: all. Runs of labels are measured, and
            distances given, in the whole grid.
        init_cfg: Initialisation config of mmengine.

    Raises:
        DataError: A side of the grid is not a multiple of twice the ``feature_scale``, or
            ``train_window`` does not fit the grid.
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
        train_window: Sequence[int] | None = None,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(voxel_grid, data_preprocessor, test_cfg, init_cfg)
        # The distances have half the resolution of the volume.
        self.distance_step = 2 * feature_scale
        self.voxel_grid.coarsen(self.distance_step)
        self.feature_scale = feature_scale
        feature_grid = self.voxel_grid.coarsen(feature_scale)
        self.train_window = check_window(train_window, self.voxel_grid.shape, 'VoxDet')
        self.front_end = MODELS.build({**front_end, 'voxel_grid': feature_grid})
        self.encoder = MODELS.build(encoder)
        self.class_neck, self.run_neck = MODELS.build(neck), MODELS.build(neck)
        self.head = MODELS.build(head)
        self.aux_head = None if aux_head is None else MODELS.build(aux_head)
        prefer_onednn(self)

    def extract_feat(self, inputs: dict[str, Any], part: VoxelGrid | None = None) -> Tensor:
        """Volume of the front end, (B, C, X, Y, Z).

        Args:
            inputs: As the front end takes them.
            part: A part of the grid; None: the whole.
        """
        if part is None:
            return self.front_end(inputs)
        return self.front_end(inputs, part.coarsen(self.feature_scale))

    def forward_head(
        self, volume: Tensor, shape: tuple[int, int, int] | None = None
    ) -> dict[str, Tensor]:
        """Outputs of the head (see :meth:`VoxDetHead.forward`).

        Args:
            volume: (B, C, X, Y, Z) of the front end.
            shape: Voxels of the logits, if the volume is a window of the grid.
        """
        maps, whole = self.encoder(volume), self.voxel_grid.shape
        return self.head(self.class_neck(maps), self.run_neck(maps), shape or whole, whole)

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
        grid = self.voxel_grid
        targets = self.head.targets(data_samples, grid.shape, self.distance_step)
        if self.train_window is not None:
            x, y = draw_window(self.train_window, grid.shape)
            grid = grid.cut((x.start, y.start, 0), (*self.train_window, grid.shape[2]))
            targets = targets.cut(x, y)
        volume = self.extract_feat(inputs, None if grid is self.voxel_grid else grid)
        losses = self.head.loss(self.forward_head(volume, grid.shape), targets)
        if self.aux_head is not None:
            logits = self.aux_head.classify(volume, grid.shape)
            aux = self.aux_head.logit_losses(logits, targets.labels)
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
