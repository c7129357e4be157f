"""Points of a scan to a volume of features (VoxDet-LiDAR, arXiv 2506.04623)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmssc.errors import DataError
from mmssc.geometry import points_to_cells
from mmssc.models.layers.norm import build_norm, normalize_rows
from mmssc.ops import group_max
from mmssc.registry import MODELS
from mmssc.structures import VoxelGrid

__all__ = ['PointCellEncoder', 'PointVolumeEncoder']

_BN = dict(type='BN')
# Each layer is twice as wide as the one before.
_WIDTHS = tuple(64 * 2**layer for layer in range(3))
# Offset from the centre of the cell, two coordinates, reflectance.
_FEATURES = 6


class PointCellEncoder(nn.Module):
    """Features of every cell: the maximum of a small network over its points.

    Args:
        channels: Output channels.
        norm_cfg: Normalisation of the rows.
    """

    def __init__(self, channels: int, norm_cfg: dict[str, Any] = _BN) -> None:
        super().__init__()
        layers: list[nn.Module] = [build_norm(norm_cfg, _FEATURES, 1)]
        for width, wider in zip((_FEATURES, *_WIDTHS), _WIDTHS):
            layers += [nn.Linear(width, wider), build_norm(norm_cfg, wider, 1), nn.ReLU()]
        self.point_mlp = nn.Sequential(*layers, nn.Linear(_WIDTHS[-1], channels))

    def forward(
        self, features: Tensor, cells: Tensor, batch_size: int, shape: Sequence[int]
    ) -> Tensor:
        """Encode the points of a batch.

        Args:
            features: (P, 6) float32.
            cells: (P, 4) int64, sample and indices of the cell of every point.
            batch_size: Number of samples B, also those without points.
            shape: Cells X, Y, Z.

        Returns:
            (B, channels, X, Y, Z); 0 in cells without points.
        """
        rows = self.encode_points(features)
        x, y, z = shape
        sample, *index = cells.unbind(1)
        flat = ((sample * x + index[0]) * y + index[1]) * z + index[2]
        volume = group_max(rows, flat, batch_size * x * y * z)
        return volume.view(batch_size, x, y, z, -1).permute(0, 4, 1, 2, 3)

    def encode_points(self, features: Tensor) -> Tensor:
        """Map features (P, 6) of the points to (P, channels); P may be 0."""
        rows = features
        for layer in self.point_mlp:
            is_norm = isinstance(layer, _BatchNorm)
            rows = normalize_rows(layer, rows) if is_norm else layer(rows)
        return rows


@MODELS.register_module()
class PointVolumeEncoder(BaseModule):
    """Point encoder, volume backbone and neck.

    Args:
        channels: Channels of the volumes.
        voxel_grid: Grid of the cells; the completor gives it.
        backbone: Config of the backbone, e.g. :class:`VolumeResNet`.
        neck: Config of its neck, e.g. :class:`VolumeFPN`.
        norm_cfg: Normalisation of the point rows.
        init_cfg: Initialisation config of mmengine.
    """

    def __init__(
        self,
        channels: int,
        voxel_grid: VoxelGrid,
        backbone: dict[str, Any],
        neck: dict[str, Any],
        norm_cfg: dict[str, Any] = _BN,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.voxel_grid = voxel_grid
        self.point_encoder = PointCellEncoder(channels, norm_cfg)
        self.backbone = MODELS.build(backbone)
        self.neck = MODELS.build(neck)

    def forward(self, inputs: Mapping[str, Any], voxel_grid: VoxelGrid | None = None) -> Tensor:
        """Encode a batch of scans.

        Args:
            inputs: ``points``, a list of B tensors (M, 3) in metres in the frame of the grid, and
                ``reflectance``, a list of B tensors (M,) in 0..1.
            voxel_grid: The cells to compute, a part of the grid; None: all.

        Returns:
            (B, channels, X, Y, Z) over the cells.

        Raises:
            DataError: An input is missing, or a cloud and its reflectance differ in length.
        """
        grid = self.voxel_grid if voxel_grid is None else voxel_grid
        features, cells = self.point_features(inputs, grid)
        return self.neck(
            self.backbone(self.point_encoder(features, cells, len(inputs['points']), grid.shape))
        )

    @torch.no_grad()
    def point_features(
        self, inputs: Mapping[str, Any], voxel_grid: VoxelGrid | None = None
    ) -> tuple[Tensor, Tensor]:
        """Features and cells of all points inside the grid.

        Args:
            inputs: See :meth:`forward`.
            voxel_grid: See :meth:`forward`.

        Returns:
            ``features`` (P, 6) float32: offset from the centre of the cell (three numbers), x, y,
            reflectance; ``cells`` (P, 4) int64: sample, and the indices of
            the cell. Both in input order.

        Raises:
            DataError: See :meth:`forward`.
        """
        _check_points(inputs)
        grid = self.voxel_grid if voxel_grid is None else voxel_grid
        features, cells = [], []
        clouds = zip(inputs['points'], inputs['reflectance'])
        for sample, (points, reflectance) in enumerate(clouds):
            cell, offsets, inside = points_to_cells(points[:, :3], grid)
            columns = points[inside][:, :2], reflectance[inside].unsqueeze(1)
            features.append(torch.cat([offsets, *(column.float() for column in columns)], 1))
            cells.append(torch.cat([torch.full_like(cell[:, :1], sample), cell], 1))
        return torch.cat(features), torch.cat(cells)


def _check_points(inputs: Mapping[str, Any]) -> None:
    for name in ('points', 'reflectance'):
        if name not in inputs:
            hint = "The pipeline needs LoadDrivingPoints with source='velodyne'"
            raise DataError('inputs', name, 'the points of a scan with reflectance', 'none', hint)
    for number, (points, values) in enumerate(zip(inputs['points'], inputs['reflectance'])):
        if values.shape != points.shape[:1]:
            source = f'sample {number} of the batch'
            expected = f'one number for each of {len(points)} points'
            raise DataError(source, 'reflectance', expected, tuple(values.shape))
