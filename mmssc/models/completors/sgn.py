"""SGN: camera-based completion with a sparse guidance network (arXiv 2312.05752)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from mmssc.models.layers import recompute_in_backward, with_exact_norms
from mmssc.ops import channels_last_on_cpu, prefer_onednn
from mmssc.registry import MODELS
from mmssc.structures import SSCDataSample, VoxelGrid

from .base_completor import BaseCompletor

__all__ = ['SGN']


@MODELS.register_module()
class SGN(BaseCompletor):
    """Image backbone and neck, lifter into a volume, sparse-guidance head.

    Args:
        backbone: Image backbone with one output level.
        neck: Neck of that level.
        lifter: Lifter of image features; gets the feature grid as ``voxel_grid``.
        head: :class:`SGNHead`; its ``points_head`` gets the output grid as ``voxel_grid``.
        voxel_grid: Grid of the prediction (:class:`VoxelGrid` or its dict).
        feature_scale: Output voxels per feature voxel along each axis.
        with_cp: Store nothing of the backbone, and compute its features again in the backward pass:
            of one image after the other, if its batch normalisation has fixed statistics.
        data_preprocessor: Config of the data preprocessor.
        test_cfg: See :class:`BaseCompletor`.
        init_cfg: Initialisation config of mmengine.
    """

    official_method = 'sgn'
    export_obstacle = (
        'sparse convolutions on the voxels that hold a point, whose number differs between frames'
    )

    def __init__(
        self,
        backbone: dict[str, Any],
        neck: dict[str, Any],
        lifter: dict[str, Any],
        head: dict[str, Any],
        voxel_grid: VoxelGrid | Mapping[str, Any],
        feature_scale: int = 2,
        with_cp: bool = False,
        data_preprocessor: dict[str, Any] | None = None,
        test_cfg: Mapping[str, Any] | None = None,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(voxel_grid, data_preprocessor, test_cfg, init_cfg)
        self.backbone = with_exact_norms(MODELS.build(backbone))
        self.neck = MODELS.build(neck)
        self.with_cp = with_cp
        feature_grid = self.voxel_grid.coarsen(feature_scale)
        self.lifter = MODELS.build({**lifter, 'voxel_grid': feature_grid})
        points_head = {**head['points_head'], 'voxel_grid': self.voxel_grid}
        self.head = MODELS.build(
            {**head, 'points_head': points_head, 'scale_factor': feature_scale}
        )
        prefer_onednn(self)

    def extract_feat(self, inputs: dict[str, Any]) -> Tensor:
        """Lifted image features.

        Args:
            inputs: ``img`` (B, N, 3, H, W) normalised, reference frame first; ``cam2img``
                (B, 3, 3); ``lidar2cam`` (B, N, 4, 4) float64.

        Returns:
            (B, C, X, Y, Z).
        """
        return self._image_tensors(inputs)['x3d_lift']

    def _image_tensors(self, inputs: dict[str, Any]) -> dict[str, Tensor]:
        images = inputs['img']
        batch_size, num_frames = images.shape[:2]
        c4 = self._encode(channels_last_on_cpu(images.flatten(0, 1)))
        fpn = self.neck([c4])[0]
        lifted = self.lifter(
            fpn.unflatten(0, (batch_size, num_frames)),
            inputs['cam2img'],
            inputs['lidar2cam'],
            tuple(images.shape[-2:]),
        )
        if lifted.device.type != 'cpu':
            # Channels-last volumes are faster on the CPU only (measured).
            lifted = lifted.contiguous()
        return dict(c4=c4, fpn=fpn, x3d_lift=lifted)

    def _encode(self, images: Tensor) -> Tensor:
        """Features (N, C, h, w) of the last level of images (N, 3, H, W)."""
        if not (self.with_cp and torch.is_grad_enabled()):
            return self.backbone(images)[-1]
        # A batch has statistics of its own: its images stay together.
        norms = [one for one in self.backbone.modules() if isinstance(one, _BatchNorm)]
        parts = [images] if any(norm.training for norm in norms) else images.split(1)
        return torch.cat([recompute_in_backward(self.backbone, one)[-1] for one in parts])

    def loss(
        self, inputs: dict[str, Any], data_samples: Sequence[SSCDataSample]
    ) -> dict[str, Tensor]:
        """Losses of a batch; ``inputs`` as in :meth:`extract_feat`, with ``points``."""
        return self.head.loss(self.extract_feat(inputs), inputs['points'], data_samples)

    @torch.no_grad()
    def predict_logits(self, inputs: dict[str, Any]) -> Tensor:
        """Logits (B, K, X, Y, Z); ``inputs`` as in :meth:`loss`."""
        return self.head.predict(self.extract_feat(inputs), inputs['points'])

    def forward_tensors(self, inputs: dict[str, Any]) -> dict[str, Tensor]:
        """Arrays of the head (see :meth:`SGNHead.forward`), then those of the image branch.

        The latter are ``c4``, ``fpn`` (B*N, C, H, W) and ``x3d_lift`` (B, C, X, Y, Z).
        """
        features = self._image_tensors(inputs)
        return {**self.head(features['x3d_lift'], inputs['points']), **features}
