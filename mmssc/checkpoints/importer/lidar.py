"""LMSCNet and SSCNet for LiDAR scans (arXiv 2008.10559): keys of the official checkpoints.

The checkpoints of CarlaSC (arXiv 2203.07060) have the same keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmssc.dataset_facts import CARLASC_GRID, DRIVING_GRID

from .bev_unet import BEV_UNET
from .key_map import CheckpointMethod, KeyRule, prefix_rules

__all__ = ['LMSCNET', 'SSCNET', 'SSCNET_FULL', 'lmscnet_model_config', 'sscnet_model_config']

_DATASETS = {20: 'SemanticKITTI', 11: 'CarlaSC'}
# Kernels of the reference have the axes z, x, y, ours x, y, z.
_TURNED = 'zxy_to_xyz'
_SCALES = (1, 2, 4, 8)
_PLANE_OUTPUT = {
    'deconv1_2': 'up_1_2',
    'deconv_1_4__1_1': 'up_1_4_to_1_1',
    'deconv_1_8__1_1': 'up_1_8_to_1_1',
    'conv1_1': 'decoder_1_1',
}
_SEGMENTATION_CONVS = {
    'conv0': 'conv_in',
    'conv1.*': 'branches.*.conv1',
    'conv2.*': 'branches.*.conv2',
    'conv_classes': 'classifier',
}
_SEGMENTATION_NORMS = {'bn1.*': 'branches.*.norm1', 'bn2.*': 'branches.*.norm2'}
_TRUNK = {
    'conv1_1': 'stem.0',
    'reduction2_1': 'block_1_2.shortcut',
    'conv2_1': 'block_1_2.conv1',
    'conv2_2': 'block_1_2.conv2',
    'conv3_1': 'conv_1_4.0',
    'reduction3_1': 'block_1_4.shortcut',
    'conv3_2': 'block_1_4.conv',
    **{f'conv3_{3 + 2 * i}': f'residuals.{i}.conv1' for i in range(3)},
    **{f'conv3_{4 + 2 * i}': f'residuals.{i}.conv2' for i in range(3)},
    'conv4_1': 'fuse.0',
    'conv4_2': 'fuse.2',
}


def _turned_rules(table: Mapping[str, str]) -> tuple[KeyRule, ...]:
    """Rules of 3D convolutions: the kernel is turned, the bias is not."""
    return tuple(
        KeyRule(f'{reference}.{part}', f'{ours}.{part}', transform)
        for reference, ours in table.items()
        for part, transform in (('weight', _TURNED), ('bias', None))
    )


def _segmentation_rules(scale: int) -> tuple[KeyRule, ...]:
    reference, ours = f'seg_head_1_{scale}', f'head.segmentation.1_{scale}'
    convs = {f'{reference}.{a}': f'{ours}.{b}' for a, b in _SEGMENTATION_CONVS.items()}
    return (*_turned_rules(convs), *prefix_rules(reference, ours, _SEGMENTATION_NORMS))


def _grid(num_classes: int, height: int) -> dict[str, Any]:
    """The grid of the data set; with another height, a coarser or finer one over its box."""
    grid = CARLASC_GRID if num_classes == 11 else DRIVING_GRID
    factor = height / grid['shape'][2]
    return {
        **grid,
        'voxel_size': [size / factor for size in grid['voxel_size']],
        'shape': [round(side * factor) for side in grid['shape']],
    }


def lmscnet_model_config(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """Config of the LMSCNet or LMSCNet-SS that fits a checkpoint, without losses.

    Args:
        shapes: Reference key -> shape.

    Returns:
        Config of the model. The grid has the height that the weights need, over the box of the
        data set with this number of classes; no weight depends on its other sides.

    Raises:
        KeyError: A tensor that defines a dimension is missing.
    """
    height = shapes['Encoder_block1.0.weight'][0]
    num_classes, channels = shapes['seg_head_1_1.conv_classes.weight'][:2]
    scales = [s for s in _SCALES if f'seg_head_1_{s}.conv_classes.weight' in shapes]
    return dict(
        type='mmssc.LidarCompletor',
        voxel_grid=_grid(num_classes, height),
        backbone=dict(type='mmssc.PlaneUNet'),
        head=dict(
            type='mmssc.LMSCNetHead', num_classes=num_classes, scales=scales, channels=channels
        ),
    )


def sscnet_model_config(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """Config of the SSCNet or SSCNet-full that fits a checkpoint, without losses.

    Args:
        shapes: Reference key -> shape.

    Returns:
        Config of the model, with the grid of the data set with this number of classes; no weight
        depends on the grid.

    Raises:
        KeyError: A tensor that defines a dimension is missing.
    """
    learned = 'deconv_classes.bias' in shapes
    (num_classes,) = shapes['deconv_classes.bias' if learned else 'conv_classes.bias']
    grid = CARLASC_GRID if num_classes == 11 else DRIVING_GRID
    return dict(
        type='mmssc.LidarCompletor',
        voxel_grid=dict(grid),
        backbone=dict(type='mmssc.SSCNetTrunk'),
        head=dict(
            type='mmssc.SSCNetHead',
            num_classes=num_classes,
            in_channels=shapes['conv4_2.bias'][0],
            up_sampling='learned' if learned else 'nearest',
        ),
    )


LMSCNET = CheckpointMethod(
    name='lmscnet',
    rules=(
        *(rule for scale in _SCALES for rule in _segmentation_rules(scale)),
        *(KeyRule(a, f'backbone.{b}') for a, b in _PLANE_OUTPUT.items()),
        *(KeyRule(a, f'backbone.unet.{b}') for a, b in BEV_UNET.items()),
    ),
    dropped={},
    class_keys=tuple(
        f'seg_head_1_{scale}.conv_classes.{part}'
        for scale in _SCALES
        for part in ('weight', 'bias')
    ),
    datasets=_DATASETS,
    model_config=lmscnet_model_config,
)


def _sscnet(name: str, classifier: str, ours: str) -> CheckpointMethod:
    table = {**{a: f'backbone.{b}' for a, b in _TRUNK.items()}, classifier: ours}
    return CheckpointMethod(
        name=name,
        rules=_turned_rules(table),
        dropped={},
        class_keys=(f'{classifier}.bias',),
        datasets=_DATASETS,
        model_config=sscnet_model_config,
    )


SSCNET_FULL = _sscnet('sscnet-full', 'deconv_classes', 'head.classifier')
SSCNET = _sscnet('sscnet', 'conv_classes', 'head.classifier.0')
