"""Symphonies (arXiv 2306.15670): keys of the official checkpoints."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from mmssc.geometry.working_volume import normalized_centers

from .key_map import CheckpointMethod, KeyRule, prefix_rules, without_lightning_prefix

__all__ = ['SYMPHONIES', 'symphonies_decoder_config', 'symphonies_model_config']

_PIXEL_DECODER = 'encoder.model.panoptic_head.pixel_decoder'
_CLASSIFIER = 'decoder.cls_head'
_PROJECTION = {'0': 'conv1', '1': 'norm', '3': 'conv2'}
_BRANCH = {'0': 'conv1', '1': 'norm1', '3': 'conv2', '4': 'norm2'}
_UP_BLOCK = {'0': 'conv', '1': 'norm'}
_LAYER = {
    # The official code misspells it.
    'query_image_cross_defrom_attn': 'query_image_cross_deform_attn',
    'scene_query_cross_attn': 'scene_query_cross_attn',
    'scene_self_deform_attn.attn.attns.0': 'scene_self_deform_attn.attn',
    'scene_self_deform_attn': 'scene_self_deform_attn',
    'query_scene_cross_deform_attn.attn.attns.0': 'query_scene_cross_deform_attn.attn',
    'query_scene_cross_deform_attn': 'query_scene_cross_deform_attn',
    'query_self_attn': 'query_self_attn',
}

_RULES = (
    KeyRule('encoder.model.backbone', 'backbone'),
    KeyRule(_PIXEL_DECODER, 'neck'),
    KeyRule('encoder.query_embed', 'head.query_embed'),
    KeyRule('encoder.pts_embed', 'head.query_points'),
    *prefix_rules('encoder.out_projs.*', 'head.feature_projs.*', _PROJECTION),
    KeyRule('decoder.voxel_grid', 'head.decoder.voxel_grid'),
    KeyRule('decoder.scene_embed', 'head.decoder.scene_embed'),
    KeyRule('decoder.scene_pos', 'head.decoder.scene_pos'),
    KeyRule('decoder.voxel_proposal', 'head.decoder.voxel_proposal'),
    *prefix_rules('decoder.layers.*', 'head.decoder.layers.*', _LAYER),
    *prefix_rules('decoder.aspp.blks.*', 'head.decoder.aspp.branches.*', _BRANCH),
    *prefix_rules(f'{_CLASSIFIER}.0', 'head.decoder.classifier.z_up', _UP_BLOCK),
    *prefix_rules(f'{_CLASSIFIER}.1.up_bn', 'head.decoder.classifier.up', _UP_BLOCK),
    KeyRule(f'{_CLASSIFIER}.2', 'head.decoder.classifier.classifier'),
)

# Lower corner of SemanticKITTI's box, metres; the box is as deep (x) as it is wide (y).
_BOX_ORIGIN = (0.0, -25.6, -2.0)

_UNUSED = 'mask branch of MaskDINO, result never used'
_DROPPED = {
    f'{_PIXEL_DECODER}.mask_features': _UNUSED,
    f'{_PIXEL_DECODER}.adapter_1': _UNUSED,
    f'{_PIXEL_DECODER}.layer_1': _UNUSED,
    'encoder.model.panoptic_head.criterion': 'losses of MaskDINO, never computed',
    'decoder.image_grid': 'row and column of every pixel: computed for any image size',
}


def symphonies_decoder_config(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """Config of the decoder that fits a checkpoint.

    Args:
        shapes: Reference key -> shape, for the decoder.

    Raises:
        KeyError: A tensor that defines a dimension is missing.
    """
    layers = {key.split('.')[2] for key in shapes if key.startswith('decoder.layers.')}
    num_classes, embed_dims = shapes[f'{_CLASSIFIER}.2.weight'][:2]
    return dict(
        type='mmssc.SymphoniesDecoder',
        volume_shape=shapes['decoder.voxel_grid'][1:],
        num_classes=num_classes,
        embed_dims=embed_dims,
        num_layers=len(layers),
        volume_scale=2 if f'{_CLASSIFIER}.1.up_bn.0.weight' in shapes else 1,
        downsample_z=2 if f'{_CLASSIFIER}.0.0.weight' in shapes else 1,
    )


def _numbered(shapes: Mapping[str, tuple[int, ...]], pattern: str) -> list[tuple[int, ...]]:
    """Shapes of the keys ``pattern.format(n)`` for n = 0, 1, ... up to the first missing one."""
    keys = map(pattern.format, itertools.count())
    return [shapes[key] for key in itertools.takewhile(shapes.__contains__, keys)]


def symphonies_model_config(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """Config of the Symphonies that fits a checkpoint, without losses.

    Args:
        shapes: Reference key -> shape.

    Returns:
        Config of the model. The grid has the shape that the weights need, over a box as deep as
        SemanticKITTI's; no weight depends on its position and extent.

    Raises:
        KeyError: A tensor that defines a dimension is missing.
    """
    decoder = symphonies_decoder_config(shapes)
    x, y, z = decoder.pop('volume_shape')
    volume_scale, downsample_z = decoder.pop('volume_scale'), decoder.pop('downsample_z')
    shape = x * volume_scale, y * volume_scale, z * volume_scale * downsample_z
    depth = -2 * _BOX_ORIGIN[1]
    levels = _numbered(shapes, f'{_PIXEL_DECODER}.input_proj.{{}}.0.weight')
    maps = _numbered(shapes, 'encoder.out_projs.{}.0.weight')
    return dict(
        type='mmssc.Symphonies',
        voxel_grid=dict(origin=_BOX_ORIGIN, voxel_size=depth / shape[0], shape=shape),
        volume_scale=volume_scale,
        downsample_z=downsample_z,
        backbone=dict(
            type='mmdet.ResNet',
            depth=50,
            out_indices=(0, 1, 2, 3),
            frozen_stages=-1,
            norm_cfg=dict(type='BN', requires_grad=False),
            norm_eval=True,
            style='pytorch',
        ),
        neck=dict(
            type='mmssc.MaskDINOPixelDecoder',
            # One more projection reads the last level again.
            in_channels=[shape[1] for shape in levels[:-1]],
            embed_dims=shapes[f'{_PIXEL_DECODER}.transformer.level_embed'][1],
        ),
        head=dict(
            type='mmssc.SymphoniesHead',
            num_classes=decoder['num_classes'],
            in_channels=[shape[1] for shape in maps],
            num_queries=shapes['encoder.query_embed.weight'][0],
            embed_dims=decoder['embed_dims'],
            decoder=decoder,
        ),
    )


def _describe_grid(state: Mapping[str, Tensor]) -> list[str]:
    """Which of the two grids in the history of the official code a checkpoint has."""
    grid = state['decoder.voxel_grid']
    for alignment, formula in (('corners', 'i / (n - 1)'), ('centers', '(i + 0.5) / n')):
        if torch.allclose(grid, normalized_centers(grid.shape[1:], alignment), atol=1e-6):
            return [f"voxel_grid: {formula}, that is grid_alignment='{alignment}' of the decoder"]
    return ['voxel_grid: neither i / (n - 1) nor (i + 0.5) / n; kept as it is']


SYMPHONIES = CheckpointMethod(
    name='symphonies',
    rules=_RULES,
    dropped=_DROPPED,
    class_keys=(f'{_CLASSIFIER}.2.weight', f'{_CLASSIFIER}.2.bias'),
    datasets={20: 'SemanticKITTI', 19: 'SSCBench-KITTI-360'},
    model_config=symphonies_model_config,
    select=without_lightning_prefix,
    describe=_describe_grid,
)
