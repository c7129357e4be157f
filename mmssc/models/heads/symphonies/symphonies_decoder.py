"""Decoder of Symphonies: instance queries and a scene volume (CVPR 2024, arXiv 2306.15670)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from mmengine.model import BaseModule, ModuleList
from torch import Tensor, nn

from mmssc.geometry.working_volume import normalized_centers
from mmssc.models.layers import ResidualASPP3d, recompute_in_backward
from mmssc.models.lifters import VolumeProjection
from mmssc.registry import MODELS

from .deform_transformer import (
    DeformableTransformerLayer,
    SqueezedDeformableLayer,
    TransformerLayer,
)
from .scene_classifier import SceneClassifier
from .scene_position import ScenePosition

__all__ = ['SymphoniesDecoder', 'SymphoniesLayer', 'VoxelProposalLayer']

_PLAIN_BN = dict(type='BN')


class _ImageMemory(NamedTuple):
    """The maps of one image: their cells (1, S, C), and the (height, width) of each."""

    tokens: Tensor
    shapes: list[tuple[int, int]]


class VoxelProposalLayer(nn.Module):
    """Voxels with depth points attend to the image around their own projection.

    Args:
        embed_dims: Channels C.
        layer: Arguments of :class:`DeformableTransformerLayer`.
    """

    def __init__(self, embed_dims: int, **layer: Any) -> None:
        super().__init__()
        self.attn = DeformableTransformerLayer(embed_dims, **layer)

    def forward(
        self, scene: Tensor, position: Tensor, memory: _ImageMemory, view: VolumeProjection
    ) -> Tensor:
        """Update these voxels of (1, N, C) with position codes (N, C); the others do not change."""
        chosen = view.proposals()
        reference = view.pixels[chosen][None, :, None].expand(-1, -1, len(memory.shapes), -1)
        updated = self.attn(
            scene.index_select(1, chosen),
            memory.tokens,
            reference,
            memory.shapes,
            position.index_select(0, chosen)[None],
        )
        return scene.index_copy(1, chosen, updated.to(scene.dtype))


class SymphoniesLayer(nn.Module):
    """Attention between queries, image and scene.

    Queries attend to the image, visible voxels to the queries and to the scene, then queries to
    the scene and to each other.

    Args:
        embed_dims: Channels C.
        num_levels: Number of image maps.
        last: Leave out the last two attentions, which only the next layer would use.
        exact_squeeze: See :class:`SqueezedDeformableLayer`.
        num_heads: Heads of every attention.
        attention: Further arguments of the deformable layers.
    """

    def __init__(
        self,
        embed_dims: int,
        num_levels: int = 3,
        last: bool = False,
        exact_squeeze: bool = False,
        num_heads: int = 8,
        **attention: Any,
    ) -> None:
        super().__init__()
        squeezed = dict(exact=exact_squeeze, num_heads=num_heads, **attention)
        self.query_image_cross_deform_attn = DeformableTransformerLayer(
            embed_dims, num_levels, num_heads=num_heads, **attention
        )
        self.scene_query_cross_attn = TransformerLayer(embed_dims, num_heads, mlp_ratio=0)
        self.scene_self_deform_attn = SqueezedDeformableLayer(embed_dims, **squeezed)
        self.last = last
        if not last:
            self.query_scene_cross_deform_attn = SqueezedDeformableLayer(
                embed_dims, mlp_ratio=0, **squeezed
            )
            self.query_self_attn = TransformerLayer(embed_dims, num_heads)

    def forward(
        self,
        scene: Tensor,
        queries: Tensor,
        position: Tensor,
        places: Tensor,
        points: Tensor,
        query_pos: Tensor | None,
        memory: _ImageMemory,
        view: VolumeProjection,
    ) -> tuple[Tensor, Tensor]:
        """Update the scene and the queries of one sample.

        Args:
            scene: (1, N, C) voxels.
            queries: (1, Q, C).
            position: (N, C) position codes of the voxels.
            places: (N, 3) voxel centres as (x, y, z) in 0..1.
            points: (1, Q, 2) image points of the queries as (x, y) in 0..1.
            query_pos: (1, Q, C) position codes of the queries.
            memory: Image maps.
            view: Projection of the sample.

        Returns:
            Updated scene and queries; voxels out of view do not change.
        """
        levels = len(memory.shapes)
        queries = self.query_image_cross_deform_attn(
            queries,
            memory.tokens,
            points[:, :, None].expand(-1, -1, levels, -1),
            memory.shapes,
            query_pos,
        )
        seen = view.visible.nonzero()[:, 0]
        codes = position.index_select(0, seen)[None]
        voxels = self.scene_query_cross_attn(
            scene.index_select(1, seen), queries, query_pos=codes, key_pos=query_pos
        )
        # The values are the whole volume at the input of the layer.
        voxels = self.scene_self_deform_attn(
            voxels, scene.unflatten(1, view.shape), places[seen][None, :, None], codes
        )
        scene = scene.index_copy(1, seen, voxels.to(scene.dtype))
        if self.last:
            return scene, queries
        in_volume = view.points_to_volume(points)[:, :, None]
        queries = self.query_scene_cross_deform_attn(
            queries, scene.unflatten(1, view.shape), in_volume, query_pos
        )
        return scene, self.query_self_attn(queries, query_pos=query_pos)


@MODELS.register_module()
class SymphoniesDecoder(BaseModule):
    """Scene volume, position codes, proposal layer, symphonies layers, ASPP and classifier.

    Samples of a batch are decoded one by one, because their visible voxels differ; only the
    convolutions at the end run on the batch.

    Args:
        volume_shape: (X, Y, Z) of the working volume; Z is a multiple of 4.
        num_classes: Number of classes K, including empty.
        embed_dims: Channels C.
        num_layers: Number of symphonies layers.
        num_levels: Number of image maps.
        num_heads: Heads of every attention.
        volume_scale: Up-sampling factor of all axes in the classifier.
        downsample_z: Additional up-sampling factor of z.
        dropout: Dropout of every deformable attention.
        grid_alignment: Positions of the voxel centres, see :func:`normalized_centers`. They are a
            buffer of the state dict, so loading a checkpoint replaces them.
        exact_squeeze: See :class:`SqueezedDeformableLayer`.
        norm_cfg: Normalisation of the convolutions.
        chunk_size: Queries per step of a deformable attention, see
            :func:`~mmssc.ops.deformable_attention`.
        with_cp: Store only the output of each layer, and of a few convolutions; recompute the rest
            in the backward pass.
    """

    def __init__(
        self,
        volume_shape: Sequence[int],
        num_classes: int,
        embed_dims: int = 128,
        num_layers: int = 3,
        num_levels: int = 3,
        num_heads: int = 8,
        volume_scale: int = 2,
        downsample_z: int = 2,
        dropout: float = 0.1,
        grid_alignment: str = 'corners',
        exact_squeeze: bool = False,
        norm_cfg: dict[str, Any] = _PLAIN_BN,
        chunk_size: int | None = None,
        with_cp: bool = False,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.shape, self.with_cp = tuple(volume_shape), with_cp
        attention = dict(dropout=dropout, chunk_size=chunk_size, with_cp=with_cp)
        self.scene_embed = nn.Embedding(self.shape[0] * self.shape[1] * self.shape[2], embed_dims)
        self.scene_pos = ScenePosition(self.shape, embed_dims)
        self.register_buffer('voxel_grid', normalized_centers(self.shape, grid_alignment))
        self.voxel_proposal = VoxelProposalLayer(
            embed_dims, num_levels=num_levels, num_heads=num_heads, **attention
        )
        self.layers = ModuleList(
            SymphoniesLayer(
                embed_dims,
                num_levels,
                last=number == num_layers - 1,
                exact_squeeze=exact_squeeze,
                num_heads=num_heads,
                # with_cp recomputes the layer as a whole; its attention would run a third time.
                **{**attention, 'with_cp': False},
            )
            for number in range(num_layers)
        )
        self.aspp = ResidualASPP3d(embed_dims, (1, 3), norm_cfg)
        self.classifier = SceneClassifier(
            embed_dims, num_classes, volume_scale, downsample_z, norm_cfg
        )

    def forward(
        self,
        queries: Tensor,
        points: Tensor,
        maps: Sequence[Tensor],
        views: Sequence[VolumeProjection],
        query_pos: Tensor | None = None,
        all_outputs: bool = True,
    ) -> list[Tensor]:
        """Decode the scenes of a batch.

        Args:
            queries: (B, Q, C) instance queries.
            points: (B, Q, 2) their image points as (x, y) in 0..1.
            maps: Per level (B, C, h, w).
            views: Projection of each sample.
            query_pos: (B, Q, C) position codes of the queries.
            all_outputs: Classify the volume after every layer, not only after the last one.

        Returns:
            Logits (B, K, sX, sY, s dz Z) per output, in the order of the layers.
        """
        scenes = self.decode_scenes(queries, points, maps, views, query_pos)
        # Not transpose and unflatten: a batch of one would get a batch stride of C, for which
        # torch's convolutions on the CPU return wrong gradients.
        volumes = [scene.unflatten(1, self.shape).permute(0, 4, 1, 2, 3) for scene in scenes]
        if volumes[0].device.type != 'cpu':
            # Channels-last volumes are faster on the CPU only (measured).
            volumes = [volume.contiguous() for volume in volumes]
        volumes[-1] = self.aspp(volumes[-1])
        if not all_outputs:
            volumes = volumes[-1:]
        if not self.with_cp:
            return [self.classifier(volume) for volume in volumes]
        lasts = [number == len(volumes) - 1 for number in range(len(volumes))]
        return [self.classifier.recompute(*pair) for pair in zip(volumes, lasts)]

    def decode_scenes(
        self,
        queries: Tensor,
        points: Tensor,
        maps: Sequence[Tensor],
        views: Sequence[VolumeProjection],
        query_pos: Tensor | None = None,
    ) -> list[Tensor]:
        """Voxels (B, N, C) after every layer; arguments as in :meth:`forward`."""
        tokens = torch.cat([level.flatten(2).transpose(1, 2) for level in maps], 1)
        shapes = [(int(level.shape[2]), int(level.shape[3])) for level in maps]
        position = self.scene_pos()
        places = self.voxel_grid.flatten(1).t()
        outputs = []
        for number, view in enumerate(views):
            sample = slice(number, number + 1)
            memory = _ImageMemory(tokens[sample], shapes)
            fixed = (
                position,
                places,
                points[sample],
                None if query_pos is None else query_pos[sample],
                memory,
                view,
            )
            scene = self.voxel_proposal(self.scene_embed.weight[None], position, memory, view)
            current, after = queries[sample], []
            for layer in self.layers:
                scene, current = self._run(layer, scene, current, *fixed)
                after.append(scene)
            outputs.append(after)
        return [torch.cat(scenes) for scenes in zip(*outputs)]

    def _run(self, module: nn.Module, *args: Any) -> Any:
        return recompute_in_backward(module, *args) if self.with_cp else module(*args)
