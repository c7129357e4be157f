"""Keys of the network that CleanerS and AMMNet share (see :class:`RGBDCompletor`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .ddr_blocks import NYU_GRID, conv_stack_keys, two_stage_unet, unused_shortcuts
from .key_map import JoinRule, KeyRule, Rule, prefix_rules

__all__ = ['RGBD_CLASS_KEYS', 'RGBD_DROPPED', 'RGBD_RULES', 'mit_rules', 'rgbd_model_config']

_STAGES = (1, 2, 3, 4)
_IMAGE_HEAD = {'linear_fuse.0': 'fuse_conv', 'linear_fuse.1': 'fuse_norm',
               'linear_pred': 'classifier'}  # fmt: skip


def mit_rules(reference: str, ours: str) -> tuple[Rule, ...]:
    """NVIDIA's names of a Mix Vision Transformer to mmseg's (see :class:`MiT`).

    Args:
        reference: Path of the encoder in the reference.
        ours: Path of ``mmseg.MixVisionTransformer``.
    """
    rules: list[Rule] = []
    for stage in _STAGES:
        embed, block = f'{reference}.patch_embed{stage}', f'{reference}.block{stage}.*'
        layer = f'{ours}.layers.{stage - 1}'
        mine = f'{layer}.1.*'
        rules += [
            KeyRule(f'{embed}.proj', f'{layer}.0.projection'),
            KeyRule(f'{embed}.norm', f'{layer}.0.norm'),
            KeyRule(f'{reference}.norm{stage}', f'{layer}.2'),
            *prefix_rules(
                block,
                mine,
                {name: name for name in ('norm1', 'norm2', 'attn.sr', 'attn.norm')},
            ),
            # The two linear layers of the reference are one matrix of PyTorch's attention.
            *(
                JoinRule(
                    (f'{block}.attn.q.{kind}', f'{block}.attn.kv.{kind}'),
                    f'{mine}.attn.attn.in_proj_{kind}',
                    (1, 2),
                )
                for kind in ('weight', 'bias')
            ),
            KeyRule(f'{block}.attn.proj', f'{mine}.attn.attn.out_proj'),
            KeyRule(f'{block}.mlp.dwconv.dwconv', f'{mine}.ffn.layers.1'),
            *_linear_rules(f'{block}.mlp.fc1', f'{mine}.ffn.layers.0'),
            *_linear_rules(f'{block}.mlp.fc2', f'{mine}.ffn.layers.4'),
        ]
    return tuple(rules)


def _linear_rules(reference: str, ours: str) -> tuple[KeyRule, ...]:
    """A linear layer of the reference that is a 1x1 convolution here."""
    return (
        KeyRule(f'{reference}.weight', f'{ours}.weight', 'linear_to_conv'),
        KeyRule(f'{reference}.bias', f'{ours}.bias'),
    )


RGBD_RULES: tuple[Rule, ...] = (
    *mit_rules('encoder', 'backbone.encoder'),
    *(
        rule
        for stage in _STAGES
        for rule in _linear_rules(
            f'head.linear_c{stage}.proj', f'image_head.projections.{stage - 1}'
        )
    ),
    *prefix_rules('head', 'image_head', _IMAGE_HEAD),
    *prefix_rules('TSDFNet.oper1', 'tsdf_encoder.stem', conv_stack_keys(3)),
    *prefix_rules('TSDFNet', 'tsdf_encoder.unet', two_stage_unet('completion_layer', 'enc_tsdf')),
    *prefix_rules('complete', 'head.unet', two_stage_unet('semantic_layer', 'classify_semantic')),
    KeyRule('complete.classify_semantic.2.1', 'head.classifier.conv'),
)

RGBD_DROPPED = unused_shortcuts(
    *(f'TSDFNet.completion_layer{stage}' for stage in (1, 2)),
    *(f'complete.semantic_layer{stage}' for stage in (1, 2)),
)

RGBD_CLASS_KEYS = (
    'complete.classify_semantic.2.1.weight',
    'complete.classify_semantic.2.1.bias',
    'head.linear_pred.weight',
    'head.linear_pred.bias',
)


def rgbd_model_config(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """Config of the :class:`RGBDCompletor` that fits a checkpoint, without losses.

    Args:
        shapes: Reference key -> shape.

    Returns:
        Config of the model, on the grid of NYU; no weight depends on the grid.

    Raises:
        KeyError: A tensor that defines a dimension is missing.
    """
    widths = [shapes[f'encoder.norm{stage}.weight'][0] for stage in _STAGES]
    depths = [
        len({key.split('.')[2] for key in shapes if key.startswith(f'encoder.block{stage}.')})
        for stage in _STAGES
    ]
    stem = [shapes[f'TSDFNet.oper1.{layer}.weight'][0] for layer in (0, 3, 6)]
    num_classes, channels = shapes['complete.classify_semantic.2.1.weight'][:2]
    return dict(
        type='mmssc.RGBDCompletor',
        voxel_grid=dict(NYU_GRID),
        backbone=dict(
            type='mmssc.MiT',
            embed_dims=widths[0],
            num_layers=depths,
            num_heads=[width // widths[0] for width in widths],
        ),
        image_head=dict(
            type='mmssc.ImageSemanticHead',
            in_channels=widths,
            channels=shapes['head.linear_fuse.0.weight'][0],
            num_classes=shapes['head.linear_pred.weight'][0],
        ),
        lifter=dict(type='mmssc.DepthMappedLifter', align_corners=False),
        tsdf_encoder=dict(
            type='mmssc.TSDFEncoder', widths=[shapes['TSDFNet.oper1.0.weight'][1], *stem]
        ),
        head=dict(type='mmssc.VolumeCompletionHead', channels=channels, num_classes=num_classes),
    )
