"""AMMNet (arXiv 2403.07560): keys of the official checkpoints, generator and discriminator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .ddr_blocks import unused_shortcuts_of
from .key_map import CheckpointMethod, KeyRule, Rule, prefix_rules
from .rgbd_rules import RGBD_CLASS_KEYS, RGBD_DROPPED, RGBD_RULES, rgbd_model_config

__all__ = ['AMMNET']

_DOWN_SCALE = {'0': '0.0', '1': '1.0', '2': '2.conv', '3': '2.norm'}
_UP_SCALE = {'0': 'conv', '1': 'norm'}
# The name in the code; the name in some of the released weights.
_DOWN_NAMES, _UP_NAMES = ('DownScale', 'tsdf_net'), ('UpScale', 'tsdf_net2')
_DISCRIMINATOR = {
    'conv1': 'conv',
    **{f'layer{number}': f'blocks.{number - 1}' for number in (1, 2, 3, 4)},
    'linear': 'linear',
    'logit': 'classifier',
}

_RULES: tuple[Rule, ...] = (
    *RGBD_RULES,
    *(
        KeyRule(f'complete.pre_layer_R{number}{part}', f'head.modulations.{number - 1}.{name}')
        for number in (1, 2, 3)
        for part, name in ((1, 'scale'), (2, 'shift'))
    ),
    *(
        rule
        for down, up in zip(_DOWN_NAMES, _UP_NAMES)
        for rule in (
            *prefix_rules(f'complete.{down}', 'head.down_scale', _DOWN_SCALE),
            *prefix_rules(f'complete.{up}', 'head.up_scale', _UP_SCALE),
        )
    ),
    *prefix_rules('disc', 'discriminator', _DISCRIMINATOR),
)


def _model_config(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """See :func:`rgbd_model_config`; without discriminator weights the model has none."""
    config = rgbd_model_config(shapes)
    config['type'] = 'mmssc.AMMNet'
    config['head']['type'] = 'mmssc.ModulatedCompletionHead'
    if any(key.startswith('disc.') for key in shapes):
        loss = dict(type='mmssc.AdversarialLoss')
        config.update(
            discriminator=dict(
                type='mmssc.VolumeDiscriminator',
                channels=shapes['disc.conv1.weight'][0],
                hidden=shapes['disc.linear.weight'][0],
            ),
            loss_adv=loss,
            loss_disc=loss,
        )
    return config


AMMNET = CheckpointMethod(
    name='ammnet',
    rules=_RULES,
    dropped={**RGBD_DROPPED, **unused_shortcuts_of('disc.layer4')},
    class_keys=RGBD_CLASS_KEYS,
    datasets={12: 'NYU'},
    model_config=_model_config,
)
