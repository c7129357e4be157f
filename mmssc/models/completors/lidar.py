"""Completion of a LiDAR scan: LMSCNet, SSCNet, the light LiDAR completor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from mmssc.errors import DataError
from mmssc.geometry.voxelize import scan_to_occupancy
from mmssc.models.heads.block_head import BlockHead
from mmssc.models.heads.scaled_volume_head import target_name
from mmssc.registry import MODELS
from mmssc.structures import SSCDataSample, VoxelGrid

from .base_completor import BaseCompletor
from .finite_logits import check_logits
from .train_window import check_window, draw_window

__all__ = ['LidarCompletor']

_HINT = 'The pipeline needs LoadScanOccupancy (voxels of a scan), or a transform that adds "points"'


@MODELS.register_module()
class LidarCompletor(BaseCompletor):
    """Completion from the voxels that a scan hits.

    Args:
        backbone: Occupancy (B, X, Y, Z) to features by scale: :class:`PlaneUNet`,
            :class:`SSCNetTrunk` or :class:`LightPlaneUNet`. It gets ``voxel_shape``.
        head: A :class:`ScaledVolumeHead`: :class:`LMSCNetHead`, :class:`SSCNetHead` or
            :class:`BlockHead`.
        voxel_grid: Grid of scan and prediction.
        data_preprocessor: Config of the data preprocessor.
        test_cfg: See :class:`BaseCompletor`; ``exit_scale=4`` predicts at a quarter of the
            resolution and repeats every voxel, without the finer layers. 1 or another scale of
            the head.
        train_window: Columns along x and y that a training step takes, from a place that is drawn
            for each batch: multiples of 16. None: all. Half of each side is a quarter of the work.
        init_cfg: Initialisation config of mmengine.

    Raises:
        DataError: The grid does not fit the backbone, ``train_window`` does not fit the grid, or
            the head has no ``exit_scale``.
    """

    test_settings = (*BaseCompletor.test_settings, 'exit_scale')

    def __init__(
        self,
        backbone: dict[str, Any],
        head: dict[str, Any],
        voxel_grid: VoxelGrid | Mapping[str, Any],
        data_preprocessor: dict[str, Any] | None = None,
        test_cfg: Mapping[str, Any] | None = None,
        train_window: Sequence[int] | None = None,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(voxel_grid, data_preprocessor, test_cfg, init_cfg)
        if self.voxel_grid.axes != ('x', 'y', 'z'):
            found = self.voxel_grid.axes
            raise DataError('config', 'model.voxel_grid.axes', ('x', 'y', 'z'), found)
        self.backbone = MODELS.build({'voxel_shape': self.voxel_grid.shape, **backbone})
        self.head = MODELS.build(head)
        self.official_method = self.head.official_method
        shape = self.voxel_grid.shape
        self.train_window = check_window(train_window, shape, 'LidarCompletor')
        self.exit_scale = self.test_cfg.get('exit_scale', 1)
        if self.exit_scale not in self.head.scales:
            expected = f'a scale of the head: {self.head.scales}'
            raise DataError('config', 'LidarCompletor.test_cfg.exit_scale', expected,
                            self.exit_scale)  # fmt: skip

    def occupancy(self, inputs: Mapping[str, Any]) -> Tensor:
        """The voxels of the scans, (B, X, Y, Z) float32, 0 or 1.

        Args:
            inputs: ``occupancy`` (B, X, Y, Z) bool; or ``points``, per sample (M, 3) metres in the
                grid's frame.

        Raises:
            DataError: There is neither, or the occupancy has another shape than the grid.
        """
        if 'occupancy' in inputs:
            occupancy = inputs['occupancy']
        elif 'points' in inputs:
            clouds = inputs['points']
            occupancy = torch.stack([scan_to_occupancy(p, self.voxel_grid) for p in clouds])
        else:
            expected = 'the voxels of a scan, or its points'
            raise DataError('inputs', 'occupancy', expected, sorted(inputs), _HINT)
        if tuple(occupancy.shape[1:]) != self.voxel_grid.shape:
            found = tuple(occupancy.shape[1:])
            raise DataError('inputs', 'shape of occupancy', self.voxel_grid.shape, found)
        return occupancy.float()

    def extract_feat(self, inputs: dict[str, Any], finest: int = 1) -> dict[int, Tensor]:
        """Features of the backbone by scale.

        Args:
            inputs: See :meth:`occupancy`.
            finest: Scale after which the backbone may stop.
        """
        return self.backbone(self.occupancy(inputs), finest)

    def loss(
        self, inputs: dict[str, Any], data_samples: Sequence[SSCDataSample]
    ) -> dict[str, Tensor]:
        """Losses of a batch.

        Args:
            inputs: See :meth:`occupancy`.
            data_samples: Samples with the targets of the head's scales.

        Raises:
            DataError: A target is missing or differs in size from the prediction.
        """
        occupancy = self.occupancy(inputs)
        if self.train_window is not None:
            occupancy, data_samples = self._take_window(occupancy, data_samples)
        features = self.backbone(occupancy, min(self.head.scales))
        return self.head.loss(self.head(features), data_samples)

    def _take_window(
        self, occupancy: Tensor, data_samples: Sequence[SSCDataSample]
    ) -> tuple[Tensor, list[SSCDataSample]]:
        """The part of occupancy (B, X, Y, Z) and targets in a window of columns."""
        assert self.train_window is not None
        x, y = draw_window(self.train_window, self.voxel_grid.shape)
        samples = []
        for sample in data_samples:
            part = SSCDataSample(metainfo=sample.metainfo)
            for scale in self.head.scales:
                name = target_name(scale)
                if name in sample:
                    at = (slice(one.start // scale, one.stop // scale) for one in (x, y))
                    part.set_data({name: sample.get(name)[tuple(at)]})
            samples.append(part)
        return occupancy[:, x, y], samples

    @torch.no_grad()
    def predict(
        self, inputs: dict[str, Any], data_samples: Sequence[SSCDataSample] | None = None
    ) -> list[SSCDataSample]:
        """See :meth:`BaseCompletor.predict`; the logits of :class:`BlockHead` are made on request.

        They are most of the time of a prediction of the light completor.
        """
        if not isinstance(self.head, BlockHead) or self.test_cfg.get('keep_logits', False):
            return super().predict(inputs, data_samples)
        scores = self.head.score_blocks(self.extract_feat(inputs))
        samples = [SSCDataSample() for _ in scores] if data_samples is None else list(data_samples)
        check_logits(scores, self, inputs, samples)
        for sample, labels in zip(samples, self.head.label_blocks(scores)):
            sample.set_data(dict(pred_voxels=labels))
        return samples

    @torch.no_grad()
    def predict_logits(self, inputs: dict[str, Any]) -> Tensor:
        """Logits (B, K, X, Y, Z) of a batch; those of ``exit_scale`` are repeated."""
        scale = self.exit_scale
        logits = self.head(self.extract_feat(inputs, scale), (scale,))[scale]
        return logits if scale == 1 else F.interpolate(logits, scale_factor=scale)

    def forward_tensors(self, inputs: dict[str, Any]) -> dict[str, Tensor]:
        """``logits`` (B, K, X, Y, Z); of other scales of the head ``logits_1_S``."""
        logits = self.head(self.extract_feat(inputs))
        names = {1: 'logits'}
        return {names.get(scale, f'logits_1_{scale}'): volume for scale, volume in logits.items()}
