"""Head of SGN: proposals from points, sparse guidance, semantic diffusion (arXiv 2312.05752)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmssc.errors import DataError
from mmssc.models.layers import UpsamplingClassifier, VoxelClassifier, recompute_in_backward
from mmssc.models.losses.volume_losses import stack_targets, volume_losses
from mmssc.ops import SparseIndex
from mmssc.registry import MODELS
from mmssc.structures import SSCDataSample

from .semantic_diffusion import SemanticDiffusion
from .sparse_blocks import SparseGuidance

__all__ = ['SGNHead', 'select_proposals']

_PLAIN_BN = dict(type='BN')


@MODELS.register_module()
class SGNHead(BaseModule):
    """Classify a voxel grid from lifted image features and points.

    The points propose occupied voxels (seeds). A sparse network classifies the image features of
    the seeds. The seed features, a prior for the other voxels and the geometric guidance are
    diffused over the volume and classified at ``scale_factor`` times its resolution.

    Args:
        points_head: Config of the depth-based head, e.g. :class:`PointOccupancyHead`.
        num_classes: Number of classes K, including empty.
        embed_dims: Channels C of the lifted features.
        diffusion_depth: MPAC blocks of the main diffusion.
        occ_diffusion_depth: MPAC blocks of the image occupancy branch.
        scale_factor: Ratio of the output resolution to that of the features.
        min_proposals: A sample with fewer proposals uses every voxel as a seed.
        max_proposals: Keep at most this many seeds per sample, those with the highest occupancy;
            None keeps all. Limits the memory of an untrained head, which proposes most of the
            volume.
        norm_cfg: Normalisation of the sparse guidance; default plain batch normalisation.
        with_cp: Recompute the MPAC blocks and the sparse residual blocks in the backward pass
            instead of storing their tensors.
        loss_ssc, loss_sem_scal, loss_geo_scal: Losses of the final logits.
        loss_sem: Losses of the seeds, summed.
        loss_occ, loss_pts: Losses of the image and the depth-based occupancy.
    """

    def __init__(
        self,
        points_head: dict[str, Any],
        num_classes: int,
        embed_dims: int = 128,
        diffusion_depth: int = 3,
        occ_diffusion_depth: int = 1,
        scale_factor: int = 2,
        min_proposals: int = 2,
        max_proposals: int | None = None,
        norm_cfg: dict[str, Any] = _PLAIN_BN,
        with_cp: bool = False,
        loss_ssc: dict[str, Any] | None = None,
        loss_sem_scal: dict[str, Any] | None = None,
        loss_geo_scal: dict[str, Any] | None = None,
        loss_sem: Sequence[dict[str, Any]] = (),
        loss_occ: dict[str, Any] | None = None,
        loss_pts: dict[str, Any] | None = None,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.num_classes = num_classes
        self.min_proposals, self.max_proposals = min_proposals, max_proposals
        self.coarse_labels = f'gt_voxels_1_{scale_factor}'
        half = embed_dims // 2
        self.points_head = MODELS.build(points_head)
        self.bottleneck = nn.Conv3d(embed_dims, embed_dims, 3, padding=1)
        occ_diffusion = SemanticDiffusion(embed_dims, half, occ_diffusion_depth, with_cp)
        occ_classifier = nn.Conv3d(half, 1, 3, padding=1)
        self.occ_header = nn.Sequential(
            OrderedDict(diffusion=occ_diffusion, classifier=occ_classifier)
        )
        self.sparse_guidance = SparseGuidance(embed_dims, norm_cfg, with_cp)
        self.sem_header = VoxelClassifier(embed_dims, num_classes)
        self.prior_mlp = nn.Sequential(
            nn.Linear(embed_dims, half),
            nn.LayerNorm(half),
            nn.LeakyReLU(),
            nn.Linear(half, embed_dims),
        )
        guided = embed_dims + self.points_head.guidance_channels
        self.diffusion = SemanticDiffusion(guided, half, diffusion_depth, with_cp)
        self.ssc_header = UpsamplingClassifier(half, num_classes, scale_factor)
        self.volume_losses = _build_losses(
            loss_ssc=loss_ssc, loss_sem_scal=loss_sem_scal, loss_geo_scal=loss_geo_scal
        )
        self.seed_losses = nn.ModuleList(MODELS.build(cfg) for cfg in loss_sem)
        self.occupancy_losses = _build_losses(loss_occ=loss_occ, loss_pts=loss_pts)

    def forward(self, lifted: Tensor, points: Sequence[Tensor]) -> dict[str, Tensor]:
        """Compute all arrays that training needs.

        Args:
            lifted: (B, C, X, Y, Z) lifted image features.
            points: Per sample (M, 3) float32, metres, in the grid's frame.

        Returns:
            A dict with

            - ``logits`` (B, K, sX, sY, sZ), final logits;
            - ``seed_logits`` (N, K) and ``seed_desc`` (N, C) of the N seeds, sorted by
              (batch, x, y, z);
            - ``pts_occ`` and ``occ`` (B, X, Y, Z), occupancy logits;
            - ``proposal`` (B, X, Y, Z) bool and ``pts_voxel`` (B, sX, sY, sZ);
            - ``pts_guidance`` (B, G, X, Y, Z), ``x3d`` (B, C, X, Y, Z), ``vox_feats``
              (B, C+G, X, Y, Z) and ``sdb`` (B, C/2, X, Y, Z).
        """
        outputs = self.guide(lifted, points)
        sdb = self.diffusion(outputs['vox_feats'])
        return dict(
            logits=self.ssc_header(sdb),
            seed_logits=self.sem_header(outputs['seed_desc']),
            occ=self.occ_header(outputs['x3d'])[:, 0],
            sdb=sdb,
            **outputs,
        )

    def guide(self, lifted: Tensor, points: Sequence[Tensor]) -> dict[str, Tensor]:
        """Compute the arrays before the diffusion; see :meth:`forward`.

        Raises:
            DataError: The resolutions of the points head and the lifted features differ.
        """
        x3d = self.bottleneck(lifted)
        pts_occ, guidance, pts_voxel = self.points_head(points)
        if pts_occ.shape[1:] != x3d.shape[2:]:
            expected, found = tuple(x3d.shape[2:]), tuple(pts_occ.shape[1:])
            hint = 'Set feature_scale of the model to that of the points_head (2)'
            raise DataError('SGNHead', 'shape of the proposals', expected, found, hint)
        proposal = select_proposals(pts_occ, self.min_proposals, self.max_proposals)
        batch_size, channels, *shape = x3d.shape
        rows = x3d.permute(0, 2, 3, 4, 1).reshape(-1, channels)
        chosen = proposal.flatten()
        seed_rows, prior_rows = chosen.nonzero()[:, 0], (~chosen).nonzero()[:, 0]
        # The guidance network runs on axes (z, y, x); rows stay in the order of (x, y, z).
        coords = proposal.nonzero()[:, [0, 3, 2, 1]]
        index = SparseIndex(coords, (shape[2], shape[1], shape[0]), batch_size)
        seed_desc = self.sparse_guidance(rows.index_select(0, seed_rows), index)
        prior = recompute_in_backward(self.prior_mlp, rows, prior_rows, function=self._prior)
        dtype = torch.promote_types(seed_desc.dtype, prior.dtype)
        volume = rows.new_empty(rows.shape, dtype=dtype)
        volume.index_copy_(0, seed_rows, seed_desc.to(dtype))
        volume.index_copy_(0, prior_rows, prior.to(dtype))
        volume = volume.view(batch_size, *shape, channels)
        vox_feats = torch.cat([volume, guidance.permute(0, 2, 3, 4, 1)], dim=-1)
        return dict(
            pts_occ=pts_occ,
            pts_guidance=guidance,
            pts_voxel=pts_voxel,
            proposal=proposal,
            x3d=x3d,
            seed_desc=seed_desc,
            vox_feats=vox_feats.permute(0, 4, 1, 2, 3),
        )

    def _prior(self, rows: Tensor, chosen: Tensor) -> Tensor:
        return self.prior_mlp(rows.index_select(0, chosen))

    def loss(
        self, lifted: Tensor, points: Sequence[Tensor], data_samples: Sequence[SSCDataSample]
    ) -> dict[str, Tensor]:
        """Compute the losses that have a config.

        Args:
            lifted: (B, C, X, Y, Z).
            points: Per sample (M, 3).
            data_samples: Samples with ``gt_voxels`` (sX, sY, sZ) and ``gt_voxels_1_s`` (X, Y, Z);
                s is ``scale_factor``.

        Raises:
            DataError: A target is missing or differs in size from the prediction.
        """
        outputs = self(lifted, points)
        return self.loss_by_outputs(outputs, data_samples)

    def loss_by_outputs(
        self, outputs: dict[str, Tensor], data_samples: Sequence[SSCDataSample]
    ) -> dict[str, Tensor]:
        """Losses of the arrays of :meth:`forward`."""
        logits, occ = outputs['logits'], outputs['pts_occ']
        losses = volume_losses(self.volume_losses, logits, data_samples)
        coarse = stack_targets(data_samples, self.coarse_labels, occ.shape[1:])
        if len(self.seed_losses):
            proposal = outputs['proposal']
            batch_index = proposal.nonzero()[:, 0]
            arguments = (outputs['seed_logits'], coarse[proposal], batch_index, len(data_samples))
            losses['loss_sem'] = sum(loss(*arguments) for loss in self.seed_losses)
        for name, loss in self.occupancy_losses.items():
            losses[name] = loss(outputs['occ' if name == 'loss_occ' else 'pts_occ'], coarse)
        return losses

    def predict(self, lifted: Tensor, points: Sequence[Tensor]) -> Tensor:
        """Final logits (B, K, sX, sY, sZ), without the branches for training."""
        volume = self.guide(lifted, points)['vox_feats']
        return self.ssc_header(self.diffusion(volume))


def select_proposals(
    logits: Tensor, min_proposals: int = 2, max_proposals: int | None = None
) -> Tensor:
    """Select the voxels with a positive occupancy logit, per sample.

    Args:
        logits: (B, X, Y, Z).
        min_proposals: A sample with fewer such voxels selects every voxel.
        max_proposals: Keep at most this many, those with the highest logits.

    Returns:
        (B, X, Y, Z) bool, without gradient.
    """
    flat = logits.detach().flatten(1)
    chosen = flat > 0
    chosen = chosen | (chosen.sum(dim=1, keepdim=True) < min_proposals)
    if max_proposals is not None and max_proposals < flat.shape[1]:
        best = flat.masked_fill(~chosen, -torch.inf).topk(max_proposals, dim=1).indices
        chosen = chosen & torch.zeros_like(chosen).scatter_(1, best, True)
    return chosen.view(logits.shape)


def _build_losses(**configs: dict[str, Any] | None) -> nn.ModuleDict:
    return nn.ModuleDict(
        {name: MODELS.build(cfg) for name, cfg in configs.items() if cfg is not None}
    )
