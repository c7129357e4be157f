"""MonoScene: one RGB image to a labelled volume, without depth (arXiv 2112.00726)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mmssc.models.completors import BaseCompletor
from mmssc.models.layers import with_exact_norms
from mmssc.models.losses.volume_losses import stack_targets, volume_losses
from mmssc.ops import channels_last_on_cpu, prefer_onednn
from mmssc.registry import MODELS
from mmssc.structures import SSCDataSample, VoxelGrid

__all__ = ['MonoScene']


@MODELS.register_module()
class MonoScene(BaseCompletor):
    """2D U-Net, features line of sight projection, 3D U-Net with context prior.

    Args:
        image_unet: Feature maps of the image, e.g. :class:`EfficientNetUNet`.
        lifter: Maps to voxels, e.g. :class:`mmssc.models.lifters.MultiScaleFLoSP`; gets the grid of
            the features as ``voxel_grid``.
        volume_unet: :class:`ContextVolumeUNet`; gets ``shape`` and ``scale_factor``.
        voxel_grid: Grid of the prediction (:class:`VoxelGrid` or its dict).
        feature_scale: Voxels of the prediction along an edge of a feature voxel.
        losses: Losses of the logits by name.
        relation_loss: Loss of the context prior; needs the labels at a quarter of the features'
            resolution (``gt_voxels_1_8`` for a ``feature_scale`` of 2); None for none.
        data_preprocessor: Config of the data preprocessor.
        test_cfg: See :class:`BaseCompletor`.
        init_cfg: Initialisation config of mmengine.
    """

    official_method = 'monoscene --project projects/monoscene'

    def __init__(
        self,
        image_unet: dict[str, Any],
        lifter: dict[str, Any],
        volume_unet: dict[str, Any],
        voxel_grid: VoxelGrid | Mapping[str, Any],
        feature_scale: int = 2,
        losses: Mapping[str, dict[str, Any]] | None = None,
        relation_loss: dict[str, Any] | None = None,
        data_preprocessor: dict[str, Any] | None = None,
        test_cfg: Mapping[str, Any] | None = None,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(voxel_grid, data_preprocessor, test_cfg, init_cfg)
        feature_grid = self.voxel_grid.coarsen(feature_scale)
        self.image_unet = with_exact_norms(MODELS.build(image_unet))
        self.lifter = MODELS.build({**lifter, 'voxel_grid': feature_grid})
        self.num_classes = volume_unet.get('num_classes')
        self.volume_unet = MODELS.build(
            {**volume_unet, 'shape': feature_grid.shape, 'scale_factor': feature_scale}
        )
        prefer_onednn(self.image_unet)
        # The gates of its ReLUs flip by rounding, and gradients jump.
        prefer_onednn(self.volume_unet, predictions_only=True)
        self.coarse_field = f'gt_voxels_1_{4 * feature_scale}'
        self.coarse_shape = feature_grid.coarsen(4).shape
        losses = losses or {}
        self.losses = nn.ModuleDict({name: MODELS.build(loss) for name, loss in losses.items()})
        self.relation_loss = MODELS.build(relation_loss) if relation_loss else None

    def extract_feat(self, inputs: dict[str, Any]) -> Tensor:
        """Lifted image features.

        Args:
            inputs: ``img`` (B, N, 3, H, W) normalised, of which the first frame is taken;
                ``cam2img`` (B, 3, 3); ``lidar2cam`` (B, N, 4, 4) float64.

        Returns:
            (B, F, X, Y, Z).
        """
        images = inputs['img'][:, 0]
        maps = [feature.unsqueeze(1) for feature in self.image_unet(channels_last_on_cpu(images))]
        poses = inputs['lidar2cam'][:, :1]
        return self.lifter(maps, inputs['cam2img'], poses, tuple(images.shape[-2:])).contiguous()

    def loss(
        self, inputs: dict[str, Any], data_samples: Sequence[SSCDataSample]
    ) -> dict[str, Tensor]:
        """Losses of a batch; ``inputs`` as in :meth:`extract_feat`."""
        return self.loss_by_outputs(self.volume_unet(self.extract_feat(inputs)), data_samples)

    def loss_by_outputs(
        self, outputs: Mapping[str, Tensor], data_samples: Sequence[SSCDataSample]
    ) -> dict[str, Tensor]:
        """Losses of the arrays of :class:`ContextVolumeUNet`."""
        losses = volume_losses(self.losses, outputs['logits'], data_samples)
        if self.relation_loss is not None:
            coarse = stack_targets(data_samples, self.coarse_field, self.coarse_shape)
            losses['loss_relation'] = self.relation_loss(outputs['relation_logits'], coarse)
        return losses

    @torch.no_grad()
    def predict_logits(self, inputs: dict[str, Any]) -> Tensor:
        """Logits (B, K, X, Y, Z); ``inputs`` as in :meth:`extract_feat`."""
        return self.volume_unet(self.extract_feat(inputs))['logits']

    def forward_tensors(self, inputs: dict[str, Any]) -> dict[str, Tensor]:
        """Arrays of :class:`ContextVolumeUNet`, logits first, and ``lifted`` (B, F, X, Y, Z)."""
        lifted = self.extract_feat(inputs)
        return dict(**self.volume_unet(lifted), lifted=lifted)
