"""Keys of the authors' MonoScene checkpoints, SemanticKITTI and NYUv2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmssc.checkpoints import CheckpointMethod, KeyRule, prefix_rules, register_method
from mmssc.checkpoints.importer.ddr_blocks import UNUSED_SHORTCUT

__all__ = ['MONOSCENE', 'MONOSCENE_NYU', 'RELATIONS']

RELATIONS = 4
_VOLUME = 'net_3d_decoder'
_ENCODER, _DECODER = 'net_rgb.encoder.original_model', 'net_rgb.decoder'
_BLOCK = {'_net.0': 'conv1', '_net.1': 'bn1', '_net.3': 'conv2', '_net.4': 'bn2'}
# Our stage or head -> the reference's, by data set: its names tell the resolution.
_STAGES = {
    'kitti': dict(
        down1='process_l1', down2='process_l2', up2='up_13_l2', up1='up_12_l1', up0='up_l1_lfull',
        head='ssc_head',
    ),
    'nyu': dict(
        down1='process_1_4', down2='process_1_8', up2='up_1_16_1_8', up1='up_1_8_1_4',
        head='ssc_head_1_4',
    ),
}  # fmt: skip
# The published models: data set of so many classes -> grid, scale of the features.
_MODELS: dict[int, dict[str, Any]] = {
    20: dict(
        voxel_grid=dict(origin=(0.0, -25.6, -2.0), voxel_size=0.2, shape=(256, 256, 32)),
        feature_scale=2,
    ),
    12: dict(
        voxel_grid=dict(
            origin=(0.0, 0.0, 0.0), voxel_size=0.08, shape=(60, 36, 60), axes=('x', 'z', 'y'),
            frame='world',
        ),
        feature_scale=1,
    ),
}  # fmt: skip


def _aspp(reference: str, ours: str) -> tuple[KeyRule, ...]:
    table = {f'{kind}{n}.*': f'branches.*.{name}{n}' for kind, name in
             (('conv', 'conv'), ('bn', 'norm')) for n in (1, 2)}  # fmt: skip
    return prefix_rules(reference, ours, table)


def _rules(stages: Mapping[str, str]) -> tuple[KeyRule, ...]:
    places = {ours: f'{_VOLUME}.{name}' for ours, name in stages.items()}
    context = f'{_VOLUME}.CP_mega_voxels'
    return (
        *(
            rule
            for ours in ('down1', 'down2')
            # The last block first: on the way back the other rule would take it, too.
            for rule in prefix_rules(
                places[ours], f'volume_unet.{ours}', {'1.main': '3', '0.main.*': '*'}
            )
        ),
        *_aspp(f'{context}.aspp', 'volume_unet.context.aspp'),
        *prefix_rules(
            context,
            'volume_unet.context',
            {
                'mega_context.0': 'mega_context',
                'context_prior_logits.*.0': 'relations.*',
                'resize.0': 'merge',
                'resize.1.main.0': 'refine',
            },
        ),
        *(
            rule
            for ours in ('up2', 'up1', 'up0')
            if ours in places
            for rule in prefix_rules(
                places[ours], f'volume_unet.{ours}', {'main.0': 'conv', 'main.1': 'norm'}
            )
        ),
        *_aspp(places['head'], 'volume_unet.head.aspp'),
        *prefix_rules(
            places['head'],
            'volume_unet.head',
            {'conv0': 'conv_in', 'conv_classes': 'classifier'},
        ),
        KeyRule(_ENCODER, 'image_unet.encoder'),
        KeyRule(f'{_DECODER}.conv2', 'image_unet.conv_in'),
        *(
            rule
            for number, stride in enumerate((16, 8, 4, 2, 1))
            for rule in prefix_rules(
                f'{_DECODER}.up{stride}', f'image_unet.blocks.{number}', _BLOCK
            )
        ),
        *(
            KeyRule(f'{_DECODER}.resize_output_1_{stride}', f'image_unet.resizes.{stride}')
            for stride in (1, 2, 4, 8)
        ),
    )


def _dropped(stages: Mapping[str, str]) -> dict[str, str]:
    blocks = [f'{_VOLUME}.{stages[ours]}.0.main.*' for ours in ('down1', 'down2')]
    blocks.append(f'{_VOLUME}.CP_mega_voxels.resize.1.main.0')
    unused = {f'{block}.downsample{n}': UNUSED_SHORTCUT for block in blocks for n in (2, 3, 4)}
    return {
        **unused,
        f'{_ENCODER}.bn2': 'normalisation after the last feature that is used',
        f'{_DECODER}.resize_output_1_16': 'a map that nothing takes',
    }


def _method(name: str, dataset: str, label: str) -> CheckpointMethod:
    stages = _STAGES[dataset]
    classifier = f'{_VOLUME}.{stages["head"]}.conv_classes'

    def model_config(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
        """Config of the published model; the EfficientNet is always the B7."""
        num_classes = shapes[f'{classifier}.weight'][0]
        channels = shapes[f'{_DECODER}.resize_output_1_1.weight'][0]
        return dict(
            type='mmssc.MonoScene',
            image_unet=dict(type='mmssc.EfficientNetUNet', out_channels=channels),
            lifter=dict(type='mmssc.MultiScaleFLoSP'),
            volume_unet=dict(
                type='mmssc.ContextVolumeUNet', channels=channels, num_classes=num_classes
            ),
            **_MODELS.get(num_classes, {}),
        )

    return CheckpointMethod(
        name=name,
        rules=_rules(stages),
        dropped=_dropped(stages),
        class_keys=(f'{classifier}.weight', f'{classifier}.bias'),
        datasets={20: label} if dataset == 'kitti' else {12: label},
        model_config=model_config,
    )


MONOSCENE = _method('monoscene', 'kitti', 'SemanticKITTI')
MONOSCENE_NYU = _method('monoscene-nyu', 'nyu', 'NYUv2')
register_method(MONOSCENE)
register_method(MONOSCENE_NYU)
