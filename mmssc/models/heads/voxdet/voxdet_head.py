"""Head of VoxDet: distances to the ends of the runs of equal labels, and classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmssc.errors import DataError
from mmssc.geometry import hide_long_runs, run_lengths
from mmssc.models.layers.recompute import recompute_in_backward
from mmssc.models.losses.volume_losses import stack_targets
from mmssc.registry import MODELS
from mmssc.structures import SSCDataSample

from .directional_refinement import DirectionalRefinement, sampling_grids
from .volume_logits_head import VolumeLogitsHead, volume_predictor

__all__ = ['VoxDetHead', 'VoxDetTargets']

# Voxels of the volume along an edge of a voxel of the distances.
_STEP = 2
_DIRECTIONS = 6


class VoxDetTargets(NamedTuple):
    """Targets of a batch.

    Args:
        labels: (B, X, Y, Z) labels without the hidden runs.
        distances: (B, 6, X / s, Y / s, Z / s) float32, run lengths as shares of the axis,
            directions x+, x-, y+, y-, z+, z-.
        coarse_labels: (B, X / s, Y / s, Z / s), every s-th of ``labels``.
    """

    labels: Tensor
    distances: Tensor
    coarse_labels: Tensor

    def cut(self, x: slice, y: slice) -> VoxDetTargets:
        """The targets of a window of columns of ``labels``; distances stay those of the whole."""
        step = self.labels.shape[1] // self.coarse_labels.shape[1]
        coarse_x, coarse_y = (slice(one.start // step, one.stop // step) for one in (x, y))
        return VoxDetTargets(
            self.labels[:, x, y],
            self.distances[:, :, coarse_x, coarse_y],
            self.coarse_labels[:, coarse_x, coarse_y],
        )


@MODELS.register_module()
class VoxDetHead(VolumeLogitsHead):
    """Predicts how far the run of equal labels reaches, and looks for context at its ends.

    Args:
        num_classes: Number of classes K, including empty.
        channels: Channels of the two volumes, for classes and for distances.
        norm_cfg: Normalisation.
        num_refinements: Number of :class:`DirectionalRefinement`.
        grid_order: See :func:`sampling_grids`. ``'zyx'`` is for new trainings: it also reads the
            places exactly (``align_corners=True``).
        hidden_runs: (class id, shortest run in voxels) of the classes whose long runs have no label
            in training, see :func:`~mmssc.geometry.hide_long_runs`.
        losses: Loss name, e.g. ``'voxel_ce'`` -> config, for the classes.
        loss_distances: Loss of the distances, :class:`~mmssc.models.losses.RunLengthLoss`.
        with_cp: Recompute every refinement in the backward pass: less memory, more time.
        init_cfg: Initialisation config of mmengine.

    Raises:
        DataError: ``grid_order`` is unknown.
    """

    def __init__(
        self,
        num_classes: int,
        channels: int,
        norm_cfg: dict[str, Any],
        num_refinements: int = 4,
        grid_order: str = 'xyz',
        hidden_runs: Sequence[tuple[int, int]] = (),
        losses: dict[str, dict[str, Any]] | None = None,
        loss_distances: dict[str, Any] | None = None,
        with_cp: bool = False,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(num_classes, channels, norm_cfg, losses, init_cfg)
        if grid_order not in ('xyz', 'zyx'):
            expected = "'xyz' or 'zyx'"
            raise DataError('config', 'VoxDetHead.grid_order', expected, repr(grid_order))
        self.grid_order, self.hidden_runs, self.with_cp = grid_order, hidden_runs, with_cp
        self.regressor = volume_predictor(channels, _DIRECTIONS, norm_cfg)
        self.refinements = nn.ModuleList(
            DirectionalRefinement(channels, norm_cfg, align_corners=grid_order == 'zyx')
            for _ in range(num_refinements)
        )
        self.loss_distances = None if loss_distances is None else MODELS.build(loss_distances)

    def forward(
        self,
        classes: Tensor,
        runs: Tensor,
        shape: Sequence[int],
        whole: Sequence[int] | None = None,
    ) -> dict[str, Tensor]:
        """Predict.

        Args:
            classes: (B, channels, X, Y, Z), features for the classes.
            runs: (B, channels, X, Y, Z), features for the distances.
            shape: Voxels of the logits along each axis.
            whole: Voxels of the whole grid along each axis, if the volumes are a window of it.

        Returns:
            ``logits`` (B, K, grid); ``distances`` (B, 6, X / 2, Y / 2, Z / 2), shares of the
            axis of the whole grid.
        """
        raw = F.interpolate(
            self.regressor(runs), scale_factor=1 / _STEP, mode='trilinear', align_corners=False
        )
        distances = raw.sigmoid()
        step = shape[0] // distances.shape[2]
        extent = [side // step for side in (whole or shape)]
        grids = sampling_grids(distances, self.grid_order, extent)
        for refine in self.refinements:
            if self.with_cp:
                classes = recompute_in_backward(refine, classes, grids)
            else:
                classes = refine(classes, grids)
        return dict(logits=self.classify(classes, shape), distances=distances)

    @torch.no_grad()
    def targets(
        self, data_samples: Sequence[SSCDataSample], shape: Sequence[int], step: int
    ) -> VoxDetTargets:
        """Targets of a batch.

        Args:
            data_samples: Samples with ``gt_voxels`` (X, Y, Z).
            shape: Voxels of the labels.
            step: Voxels of the labels along an edge of a voxel of the distances.

        Raises:
            DataError: A sample has no labels, or they have another shape.
        """
        labels = stack_targets(data_samples, 'gt_voxels', shape)
        lengths = run_lengths(labels)
        if self.hidden_runs:
            labels = hide_long_runs(labels, lengths, self.hidden_runs)
        extent = torch.tensor(shape, device=labels.device).repeat_interleave(2).view(-1, 1, 1, 1)
        distances = lengths[..., ::step, ::step, ::step] / extent
        return VoxDetTargets(labels, distances, labels[..., ::step, ::step, ::step])

    def loss(self, outputs: dict[str, Tensor], targets: VoxDetTargets) -> dict[str, Tensor]:
        """``loss_<name>`` of the classes, and ``loss_voxel_ctr`` of the distances.

        Args:
            outputs: See :meth:`forward`.
            targets: See :meth:`targets`.
        """
        losses = self.logit_losses(outputs['logits'], targets.labels)
        if self.loss_distances is not None:
            losses['loss_voxel_ctr'] = self.loss_distances(outputs['distances'], *targets[1:])
        return losses
