"""Symphonies: completion with contextual instance queries (CVPR 2024, arXiv 2306.15670)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from mmssc.errors import DataError
from mmssc.geometry.working_volume import to_xyz_axes
from mmssc.models.layers import with_exact_norms
from mmssc.models.lifters import VolumeProjection, project_volume
from mmssc.ops import channels_last_on_cpu, prefer_onednn, prefer_onednn_in_gradients
from mmssc.registry import MODELS
from mmssc.structures import SSCDataSample, VoxelGrid

from .base_completor import BaseCompletor

__all__ = ['Symphonies']


@MODELS.register_module()
class Symphonies(BaseCompletor):
    """Image backbone, pixel decoder and a head that decodes a scene volume.

    The origin of the grid may differ between frames; each sample's own origin is used.

    Args:
        backbone: Image backbone; the head takes its first level, the neck takes all levels.
        neck: Pixel decoder; the head takes its levels after the first level of the backbone.
        head: :class:`SymphoniesHead`; its decoder gets the working volume.
        voxel_grid: Grid of the prediction (:class:`VoxelGrid` or its dict), in any order of axes.
        volume_scale: Output voxels per projected voxel along each axis.
        downsample_z: Projected voxels per working voxel along z.
        voxel_assignment: Rule that assigns depth points to voxels, see
            :func:`~mmssc.models.lifters.project_volume`.
        data_preprocessor: Config of the data preprocessor.
        test_cfg: See :class:`BaseCompletor`.
        init_cfg: Initialisation config of mmengine.
    """

    origin_matters = False
    official_method = 'symphonies'
    export_obstacle = (
        'attention to the voxels that hold a depth point, whose number differs between frames'
    )

    def __init__(
        self,
        backbone: dict[str, Any],
        neck: dict[str, Any],
        head: dict[str, Any],
        voxel_grid: VoxelGrid | Mapping[str, Any],
        volume_scale: int = 2,
        downsample_z: int = 2,
        voxel_assignment: str = 'truncate',
        data_preprocessor: dict[str, Any] | None = None,
        test_cfg: Mapping[str, Any] | None = None,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(voxel_grid, data_preprocessor, test_cfg, init_cfg)
        xyz, self.axes_to_xyz = to_xyz_axes(self.voxel_grid)
        self.projected_grid = xyz.coarsen(volume_scale)
        x, y, z = self.projected_grid.shape
        if z % downsample_z:
            expected = f'a multiple of downsample_z = {downsample_z}'
            raise DataError('config', 'height of the projected grid', expected, z)
        self.downsample_z, self.voxel_assignment = downsample_z, voxel_assignment
        self.backbone = with_exact_norms(MODELS.build(backbone))
        self.neck = with_exact_norms(MODELS.build(neck))
        decoder = dict(
            head['decoder'],
            volume_shape=(x, y, z // downsample_z),
            volume_scale=volume_scale,
            downsample_z=downsample_z,
        )
        self.head = MODELS.build({**head, 'decoder': decoder})
        # Of the neck only gradients: where rounding moves a sampling point over the border of a
        # cell, its gradient jumps.
        prefer_onednn_in_gradients(self.neck)
        prefer_onednn(self.backbone)
        prefer_onednn(self.head)

    def forward(
        self,
        inputs: dict[str, Any],
        data_samples: Sequence[SSCDataSample] | None = None,
        mode: str = 'tensor',
    ) -> Any:
        """See :meth:`BaseCompletor.forward`; the grids of the samples give the origins."""
        grids = [sample.get('voxel_grid') for sample in data_samples or ()]
        if 'grid_origin' not in inputs and grids and all(grid is not None for grid in grids):
            origins = [to_xyz_axes(VoxelGrid.build(grid))[0].origin for grid in grids]
            inputs = {**inputs, 'grid_origin': torch.tensor(origins, dtype=torch.float64)}
        return super().forward(inputs, data_samples, mode)

    def extract_feat(self, inputs: dict[str, Any]) -> tuple[Tensor, ...]:
        """Image maps, finest first.

        Args:
            inputs: ``img`` (B, N, 3, H, W) normalised; only the first frame is used.

        Returns:
            The backbone's first level (B, C, H / 4, W / 4) and those of the neck.
        """
        levels = self.backbone(channels_last_on_cpu(inputs['img'][:, 0]))
        return (levels[0], *self.neck(levels))

    def view_scenes(self, inputs: dict[str, Any]) -> list[VolumeProjection]:
        """Project the volume of every sample.

        Args:
            inputs: ``depth`` (B, N, H, W) metres, ``cam2img`` (B, 3, 3), ``lidar2cam``
                (B, N, 4, 4), optionally ``grid_origin`` (B, 3) as (x, y, z), metres.

        Raises:
            DataError: The depth is missing, or its size differs from the image.
        """
        depth, images = inputs.get('depth'), inputs['img']
        if depth is None:
            hint = 'Add LoadDrivingDepth to the pipeline, before CropDrivingImages'
            raise DataError('batch', 'depth', 'a depth map for every image', 'none', hint)
        if depth.shape[-2:] != images.shape[-2:]:
            found = tuple(depth.shape[-2:])
            raise DataError('batch', 'depth size', tuple(images.shape[-2:]), found)
        origins = inputs.get('grid_origin')
        views = []
        for number, frames in enumerate(depth):
            grid = self.projected_grid
            if origins is not None:
                grid = replace(grid, origin=tuple(origins[number].tolist()))
            views.append(
                project_volume(
                    frames[0],
                    grid,
                    inputs['cam2img'][number],
                    inputs['lidar2cam'][number, 0],
                    self.downsample_z,
                    self.voxel_assignment,
                )
            )
        return views

    def loss(
        self, inputs: dict[str, Any], data_samples: Sequence[SSCDataSample]
    ) -> dict[str, Tensor]:
        """Losses of a batch; ``inputs`` as in :meth:`extract_feat` and :meth:`view_scenes`."""
        return self.head.loss(self._decode(inputs, all_outputs=True), data_samples)

    @torch.no_grad()
    def predict_logits(self, inputs: dict[str, Any]) -> Tensor:
        """Logits (B, K, X, Y, Z) of the last layer; ``inputs`` as in :meth:`loss`."""
        return self._decode(inputs, all_outputs=False)[-1]

    def forward_tensors(self, inputs: dict[str, Any]) -> dict[str, Tensor]:
        """``logits`` (B, K, X, Y, Z) of the last layer, ``logits.i`` after layer i."""
        outputs = self._decode(inputs, all_outputs=True)
        earlier = {f'logits.{number}': output for number, output in enumerate(outputs)}
        return dict(logits=outputs[-1], **earlier)

    def _decode(self, inputs: dict[str, Any], all_outputs: bool) -> list[Tensor]:
        outputs = self.head(self.extract_feat(inputs), self.view_scenes(inputs), all_outputs)
        if self.axes_to_xyz == (0, 1, 2):
            return outputs
        back = [2 + self.axes_to_xyz.index(axis) for axis in range(3)]
        return [logits.permute(0, 1, *back) for logits in outputs]
