"""VoxDet-LiDAR (arXiv 2506.04623): keys of the official checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmssc.dataset_facts import DRIVING_GRID

from .key_map import CheckpointMethod, KeyRule, Rule, prefix_rules, without_lightning_prefix

__all__ = ['PLANE_NAMES', 'REFINEMENT_NAMES', 'VOXDET_LIDAR', 'voxdet_model_config']

_ENCODER = 'occ_encoder_backbone.local_aggregator.local_encoder_backbone'
_NECK = 'occ_encoder_backbone.local_aggregator.local_encoder_neck'
_HEAD, _AUX = 'pts_bbox_head', 'pts_bbox_head_aux'
_CLASSIFIER = f'{_HEAD}.cls_convs.0.3.weight'
_POINTS = 'lidar_tokenizer.point_mlp'
# Branch of the neck in the reference -> our neck.
_BRANCHES = {'cls': 'class_neck', 'reg': 'run_neck'}
_PREDICTOR = {'0': '0.conv', '1': '0.norm', '3': '1'}
#: Part of a three-plane module of the reference -> ours.
PLANE_NAMES = {
    **{
        f'{theirs}_{plane}': f'planes.{plane}.{ours}'
        for plane in ('xy', 'yz', 'zx')
        for theirs, ours in (
            ('conv1x1', 'conv'), ('offset', 'offset'), ('defconv', 'deform_conv'), ('gn', 'norm'),
        )
    },
    'weights_conv': 'weights_conv',
    'fuse_conv': 'fuse.conv',
    'fuse_gn': 'fuse.norm',
}  # fmt: skip
#: Part of a refinement of the reference -> ours.
REFINEMENT_NAMES = {
    f'{name}_{part}': f'{name}.{part}'
    for name in ('query', 'key', 'value', 'out')
    for part in ('conv', 'norm')
}


def _conv_rules(reference: str, ours: str, norm: str) -> tuple[KeyRule, ...]:
    """A convolution with the normalisation that the reference names after its kind."""
    return prefix_rules(reference, ours, {'conv': 'conv', norm: 'norm'})


def _resnet_rules(reference: str, ours: str, shortcut_norm: str) -> tuple[KeyRule, ...]:
    theirs, blocks = f'{reference}.layers.*.*', f'{ours}.stages.*.*'
    return (
        *_conv_rules(f'{theirs}.conv1', f'{blocks}.conv1', 'bn'),
        *_conv_rules(f'{theirs}.conv2', f'{blocks}.conv2', 'bn'),
        *_conv_rules(f'{theirs}.downsample', f'{blocks}.shortcut', shortcut_norm),
    )


def _fpn_rules(reference: str, ours: str, branch: str = '') -> tuple[KeyRule, ...]:
    return (
        *_conv_rules(f'{reference}.lateral_convs{branch}.*', f'{ours}.levels.*.lateral', 'gn'),
        *_conv_rules(f'{reference}.fpn_convs{branch}.*', f'{ours}.levels.*.fpn', 'gn'),
    )


def _neck_rules(branch: str, ours: str) -> tuple[KeyRule, ...]:
    planes = prefix_rules(f'{_NECK}.sp_tpvs_{branch}.*', f'{ours}.levels.*.planes', PLANE_NAMES)
    return _fpn_rules(_NECK, ours, f'_{branch}') + planes


_RULES: tuple[Rule, ...] = (
    KeyRule(_POINTS, 'front_end.point_encoder.point_mlp'),
    *_resnet_rules('voxel_backbone', 'front_end.backbone', 'bn'),
    *_fpn_rules('voxel_neck', 'front_end.neck'),
    *_resnet_rules(_ENCODER, 'encoder', 'gn'),
    *(rule for branch, ours in _BRANCHES.items() for rule in _neck_rules(branch, ours)),
    *prefix_rules(f'{_HEAD}.bbox_convs.0', 'head.regressor', _PREDICTOR),
    *prefix_rules(f'{_HEAD}.cls_convs.0', 'head.classifier', _PREDICTOR),
    *prefix_rules(f'{_HEAD}.refine_conv.*', 'head.refinements.*', REFINEMENT_NAMES),
    *prefix_rules(f'{_AUX}.occ_convs.0', 'aux_head.classifier', _PREDICTOR),
)


def _depths(shapes: Mapping[str, tuple[int, ...]], prefix: str) -> list[int]:
    """Blocks of each stage of a residual network."""
    start = f'{prefix}.layers.'
    places = {tuple(key[len(start) :].split('.')[:2]) for key in shapes if key.startswith(start)}
    stages = sorted({stage for stage, _ in places})
    return [sum(stage == other for other, _ in places) for stage in stages]


def voxdet_model_config(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """Config of the VoxDet-LiDAR that fits a checkpoint, without losses.

    Args:
        shapes: Reference key -> shape.

    Returns:
        Config of the model, on SemanticKITTI's grid; no weight depends on the grid.

    Raises:
        KeyError: A tensor that defines a dimension is missing.
    """
    channels = shapes[f'{_POINTS}.10.weight'][0]
    # Groups of four channels in the released model and in the parity cases.
    gn, bn = dict(type='GN', num_groups=channels // 4), dict(type='BN')
    head = dict(num_classes=shapes[_CLASSIFIER][0], channels=channels, norm_cfg=gn)
    refinements = {key.split('.')[2] for key in shapes if key.startswith(f'{_HEAD}.refine_conv.')}
    return dict(
        type='mmssc.VoxDet',
        voxel_grid=dict(DRIVING_GRID),
        front_end=dict(
            type='mmssc.PointVolumeEncoder',
            channels=channels,
            backbone=dict(
                type='mmssc.VolumeResNet',
                channels=channels,
                depths=_depths(shapes, 'voxel_backbone'),
                norm_cfg=bn,
            ),
            neck=dict(type='mmssc.VolumeFPN', channels=channels, norm_cfg=gn),
            norm_cfg=bn,
        ),
        encoder=dict(
            type='mmssc.VolumeResNet',
            channels=channels,
            depths=_depths(shapes, _ENCODER),
            norm_cfg=bn,
            shortcut_norm_cfg=gn,
        ),
        neck=dict(type='mmssc.VolumeFPN', channels=channels, norm_cfg=gn, with_planes=True),
        head=dict(type='mmssc.VoxDetHead', num_refinements=len(refinements), **head),
        aux_head=dict(type='mmssc.VolumeLogitsHead', **head),
    )


VOXDET_LIDAR = CheckpointMethod(
    name='voxdet-lidar',
    rules=_RULES,
    dropped={},
    class_keys=(_CLASSIFIER, f'{_AUX}.occ_convs.0.3.weight'),
    datasets={20: 'SemanticKITTI'},
    model_config=voxdet_model_config,
    select=without_lightning_prefix,
)
