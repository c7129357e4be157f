"""A model of its own: lifted image features and occupancy, a few 3D convolutions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mmssc.geometry import points_to_occupancy
from mmssc.models.completors import BaseCompletor
from mmssc.registry import MODELS
from mmssc.structures import SSCDataSample, VoxelGrid

__all__ = ['ToyCompletor']


@MODELS.register_module()
class ToyCompletor(BaseCompletor):
    """Image features at stride 4, lifted by line of sight, beside the occupancy of the points.

    Args:
        lifter: Image features to voxels, e.g. ``dict(type='FLoSP')``; gets the grid and the stride.
        losses: Losses of the logits by name.
        num_classes: Number of classes K, empty included.
        voxel_grid: Grid of the prediction (:class:`VoxelGrid` or its dict).
        channels: Width C.
        data_preprocessor: Config of the data preprocessor.
        test_cfg: See :class:`BaseCompletor`.
    """

    stride = 4

    def __init__(
        self,
        lifter: dict[str, Any],
        losses: Mapping[str, dict[str, Any]],
        num_classes: int,
        voxel_grid: VoxelGrid | Mapping[str, Any],
        channels: int = 16,
        data_preprocessor: dict[str, Any] | None = None,
        test_cfg: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(voxel_grid, data_preprocessor, test_cfg)
        self.num_classes = num_classes
        self.encoder = nn.Sequential(
            nn.Conv2d(3, channels, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, stride=2, padding=1),
        )
        self.lifter = MODELS.build({**lifter, 'voxel_grid': self.voxel_grid, 'stride': self.stride})
        self.trunk = nn.Sequential(
            nn.Conv3d(channels + 1, channels, 3, padding=1),
            nn.ReLU(),
            nn.Conv3d(channels, channels, 5, padding=2),
            nn.ReLU(),
            nn.Conv3d(channels, num_classes, 1),
        )
        self.losses = nn.ModuleDict({name: MODELS.build(loss) for name, loss in losses.items()})

    def extract_feat(self, inputs: dict[str, Any]) -> Tensor:
        """Lifted image features and occupancy of the points, (B, C + 1, X, Y, Z)."""
        images = inputs['img']
        batch_size, num_frames = images.shape[:2]
        features = self.encoder(images.flatten(0, 1)).unflatten(0, (batch_size, num_frames))
        lifted = self.lifter(
            features, inputs['cam2img'], inputs['lidar2cam'], tuple(images.shape[-2:])
        )
        occupied = [points_to_occupancy(points, self.voxel_grid) for points in inputs['points']]
        return torch.cat([lifted, torch.stack(occupied).unsqueeze(1).to(lifted.dtype)], dim=1)

    def predict_logits(self, inputs: dict[str, Any]) -> Tensor:
        """Logits (B, K, X, Y, Z)."""
        return self.trunk(self.extract_feat(inputs))

    def forward_tensors(self, inputs: dict[str, Any]) -> dict[str, Tensor]:
        """``logits`` (B, K, X, Y, Z) and the ``features`` they come from, (B, C + 1, X, Y, Z)."""
        features = self.extract_feat(inputs)
        return dict(logits=self.trunk(features), features=features)

    def loss(
        self, inputs: dict[str, Any], data_samples: Sequence[SSCDataSample]
    ) -> dict[str, Tensor]:
        """The losses of the config."""
        logits = self.predict_logits(inputs)
        target = torch.stack([sample.gt_voxels for sample in data_samples])
        return {name: loss(logits, target) for name, loss in self.losses.items()}
