"""A tiny network of 3D-Sketch; batches for it are those of ``tiny_rgbd``."""

from __future__ import annotations

from typing import Any

from tiny_rgbd import tiny_network

from mmssc.parity.sketch.recipe import sketch_losses

CHANNELS = 8
LATENT = 4


def tiny_sketch(**changes: Any) -> dict[str, Any]:
    """Config of a SketchCompletor; ``changes`` replace whole arguments."""
    network = tiny_network()
    losses = sketch_losses()
    network = dict(
        type='mmssc.SketchCompletor',
        voxel_grid=network['voxel_grid'],
        backbone=dict(
            type='mmseg.ResNet',
            depth=18,
            deep_stem=True,
            stem_channels=8,
            base_channels=8,
            strides=(1, 2, 2, 1),
            dilations=(1, 1, 1, 2),
            multi_grid=(2, 4),
            out_indices=(3,),
        ),
        neck=dict(type='mmssc.ImageProjection', in_channels=64, channels=CHANNELS),
        lifter=dict(type='mmssc.DepthMappedLifter', align_corners=True),
        sketch_head=dict(
            type='mmssc.SketchHead',
            widths=(1, 3, 4, CHANNELS),
            cvae=dict(latent_channels=LATENT),
            **losses['sketch_head'],
        ),
        head=dict(
            type='mmssc.SketchSemanticHead',
            channels=CHANNELS,
            num_classes=network['head']['num_classes'],
            sketch_widths=(3, 4),
        ),
        loss_3d=losses['loss_3d'],
    )
    return {**network, **changes}
