"""3D-Sketch (CVPR 2020): keys of the official checkpoints, and of its ImageNet backbone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .ddr_blocks import NYU_GRID, conv_stack_keys, two_stage_unet, unused_shortcuts
from .key_map import CheckpointMethod, KeyRule, prefix_rules

__all__ = ['SKETCH', 'SKETCH_BACKBONE', 'sketch_model_config']

# Layers of the deep stem, and of the CVAE's encoders: two poolings are between the blocks.
_STEM = {'conv1': 'stem.0', 'bn1': 'stem.1', 'conv2': 'stem.3', 'bn2': 'stem.4',
         'conv3': 'stem.6', 'bn3': 'stem.7'}  # fmt: skip
_CVAE_ENCODER = {
    key: f'blocks.{name}'
    for block, layer in enumerate((0, 3, 6, 10, 14))
    for key, name in ((f'{layer}', f'{block}.conv'), (f'{layer + 1}', f'{block}.norm'))
}
_CVAE = {
    **{f'encoder.{a}': f'encoder.{b}' for a, b in _CVAE_ENCODER.items()},
    **{f'decoder_x.{a}': f'condition.{b}' for a, b in _CVAE_ENCODER.items()},
    'mean': 'mean',
    'log_var': 'log_var',
    'decoder.0': 'up1.conv',
    'decoder.1': 'up1.norm',
    'decoder.3': 'up2.conv',
    'decoder.4': 'up2.norm',
    'decoder.7': 'classifier.conv',
}


def _rules(neck: str, sketch_head: str) -> tuple[KeyRule, ...]:
    unet = two_stage_unet('completion_layer', 'classify_sketch')
    return (
        *prefix_rules('backbone', 'backbone', _STEM),
        KeyRule('backbone', 'backbone'),
        *prefix_rules('stage1.oper1', f'{sketch_head}.encoder.stem', conv_stack_keys(3)),
        *prefix_rules('stage1', f'{sketch_head}.encoder.unet', unet),
        KeyRule('stage1.classify_sketch.2.1', f'{sketch_head}.classifier.conv'),
        *prefix_rules('stage1.cvae', f'{sketch_head}.cvae', _CVAE),
        *prefix_rules('stage2.downsample', neck, {'0': 'conv', '1': 'norm'}),
        *prefix_rules('stage2', 'head.unet', two_stage_unet('semantic_layer', 'classify_semantic')),
        KeyRule('stage2.classify_semantic.2.1', 'head.classifier.conv'),
        *prefix_rules('stage2.oper_sketch', 'head.raw_encoder', conv_stack_keys(3)),
        *prefix_rules('stage2.oper_sketch_cvae', 'head.prior_encoder', conv_stack_keys(3)),
    )


# The import uses the first rule that matches; the second names are for the export of older mmssc
# files.
_RULES = _rules('neck', 'sketch_head') + _rules('image_head', 'tsdf_encoder')
_STAGES = ('stage1.completion_layer1', 'stage1.completion_layer2',
           'stage2.semantic_layer1', 'stage2.semantic_layer2')  # fmt: skip


def sketch_model_config(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """Config of the :class:`SketchCompletor` that fits a checkpoint, without losses.

    For the argument and the result see :func:`rgbd_model_config`.

    Raises:
        KeyError: A tensor that defines a dimension is missing.
    """
    stem = [shapes[f'stage1.oper1.{layer}.weight'][0] for layer in (0, 3, 6)]
    sketch_widths = [shapes[f'stage2.oper_sketch.{layer}.weight'][0] for layer in (0, 3)]
    num_classes, channels = shapes['stage2.classify_semantic.2.1.weight'][:2]
    return dict(
        type='mmssc.SketchCompletor',
        voxel_grid=dict(NYU_GRID),
        backbone=_resnet_config(shapes['backbone.conv3.weight'][0]),
        neck=dict(
            type='mmssc.ImageProjection',
            in_channels=shapes['stage2.downsample.0.weight'][1],
            channels=channels,
        ),
        lifter=dict(type='mmssc.DepthMappedLifter', align_corners=True),
        sketch_head=dict(
            type='mmssc.SketchHead',
            widths=[shapes['stage1.oper1.0.weight'][1], *stem],
            cvae=dict(latent_channels=shapes['stage1.cvae.mean.weight'][0]),
        ),
        head=dict(
            type='mmssc.SketchSemanticHead',
            channels=channels,
            num_classes=num_classes,
            sketch_widths=sketch_widths,
        ),
    )


def _resnet_config(stem_channels: int) -> dict[str, Any]:
    """ResNet-50 with a deep stem, output stride 16 and a multi-grid."""
    return dict(
        type='mmseg.ResNet',
        depth=50,
        deep_stem=True,
        stem_channels=stem_channels,
        strides=(1, 2, 2, 1),
        dilations=(1, 1, 1, 2),
        multi_grid=(2, 4, 8),
        out_indices=(3,),
    )


SKETCH = CheckpointMethod(
    name='sketch',
    rules=_RULES,
    dropped=unused_shortcuts(*_STAGES),
    class_keys=('stage2.classify_semantic.2.1.weight', 'stage2.classify_semantic.2.1.bias'),
    datasets={12: 'NYU'},
    model_config=sketch_model_config,
)

# The ImageNet weights with a deep stem that the reference starts from: only the backbone.
SKETCH_BACKBONE = CheckpointMethod(
    name='sketch-backbone',
    rules=(
        *(KeyRule(f'{a}.bn', b) for a, b in _STEM.items()),
        *(KeyRule(a, b) for a, b in _STEM.items()),
        # Some files wrap every normalisation: 'bn1.bn.weight'.
        KeyRule('*.*.*.*.bn', '*.*.*.*'),
        KeyRule('*.*.*.bn', '*.*.*'),
        *(KeyRule(f'layer{stage}', f'layer{stage}') for stage in (1, 2, 3, 4)),
    ),
    dropped={'fc': 'classifier of ImageNet'},
    class_keys=(),
    datasets={},
    model_config=lambda shapes: _resnet_config(shapes['conv3.weight'][0]),
)
