"""SGN (arXiv 2312.05752): keys of the official checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .bev_unet import BEV_UNET
from .key_map import CheckpointMethod, KeyRule, prefix_rules

__all__ = ['SGN', 'sgn_model_config']

_HEAD = 'pts_bbox_head'
_POINTS = f'{_HEAD}.pts_header'
_SEGMENTATION = f'{_POINTS}.seg_head_1_2'

_RESIDUAL_BLOCK = {
    'layers_in.0': 'shortcut_conv',
    'layers_in.1': 'shortcut_norm',
    'layers.0': 'conv1',
    'layers.1': 'norm1',
    'layers.3': 'conv2',
    'layers.4': 'norm2',
}
_ATTENTION = {
    'feature_reduce': 'reduce',
    'fc_list.*.0': 'scale_fcs.*',
    'fc.0': 'squeeze',
    'fcs.*.0': 'gates.*',
    'out_fc': 'mix',
    'linear_output.0': 'fuse',
    'linear_output.2': 'project',
}
_DIFFUSION = {
    'conv_in': 'conv_in',
    'diffusion.*.conv_mx': 'blocks.*.gate',
    'diffusion.*.conv_1x1xk': 'blocks.*.conv_z',
    'diffusion.*.conv_1xkx1': 'blocks.*.conv_y',
    'diffusion.*.conv_kx1x1': 'blocks.*.conv_x',
    'aspp.reduce': 'aspp.reduce',
    'aspp.aspp_1': 'aspp.branches.0',
    'aspp.aspp_2': 'aspp.branches.1',
    'aspp.aspp_4': 'aspp.branches.2',
    'aspp.fusion': 'aspp.fuse',
}
_VOXELIZE = {
    'PPmodel': 'point_mlp',
    **{
        f'soft_model.conv_block.spconv_layers.*.{a}': f'blocks.*.{b}'
        for a, b in _RESIDUAL_BLOCK.items()
    },
    **{f'soft_model.proj_block.{a}': f'attention.{b}' for a, b in _ATTENTION.items()},
}
_SEGMENTATION_HEAD = {
    'conv0': 'conv_in',
    'conv1.*': 'branches.*.conv1',
    'bn1.*': 'branches.*.norm1',
    'conv2.*': 'branches.*.conv2',
    'bn2.*': 'branches.*.norm2',
    'guidance_layer.0': 'guidance_conv',
    'guidance_layer.1': 'guidance_norm',
    'conv_classes': 'classifier',
}
_CLASSIFIER = {'mlp_head.0': 'norm', 'mlp_head.1': 'classifier'}

_RULES = (
    KeyRule('img_backbone', 'backbone'),
    KeyRule('img_neck', 'neck'),
    KeyRule(f'{_HEAD}.bottleneck', 'head.bottleneck'),
    KeyRule(f'{_HEAD}.mlp_prior', 'head.prior_mlp'),
    # The 1x1x1 kernels keep their untransposed layout: SubMConv3d multiplies as spconv does.
    *prefix_rules(
        f'{_HEAD}.sgb.conv_block.spconv_layers.0', 'head.sparse_guidance.block', _RESIDUAL_BLOCK
    ),
    *prefix_rules(f'{_HEAD}.sgb.proj_block', 'head.sparse_guidance.attention', _ATTENTION),
    *prefix_rules(
        f'{_HEAD}.sgb.conv_block_down.spconv_layers.0',
        'head.sparse_guidance.block_down',
        _RESIDUAL_BLOCK,
    ),
    *prefix_rules(
        f'{_HEAD}.sgb.proj_block_down', 'head.sparse_guidance.attention_down', _ATTENTION
    ),
    KeyRule(f'{_HEAD}.sgb.fc_out', 'head.sparse_guidance.fuse'),
    *prefix_rules(f'{_HEAD}.sdb', 'head.diffusion', _DIFFUSION),
    *prefix_rules(f'{_HEAD}.occ_header.0', 'head.occ_header.diffusion', _DIFFUSION),
    KeyRule(f'{_HEAD}.occ_header.1', 'head.occ_header.classifier'),
    *prefix_rules(f'{_HEAD}.sem_header', 'head.sem_header', _CLASSIFIER),
    *prefix_rules(f'{_HEAD}.ssc_header', 'head.ssc_header', _CLASSIFIER),
    *prefix_rules(f'{_POINTS}.voxelize', 'head.points_head.voxelize', _VOXELIZE),
    *prefix_rules(_SEGMENTATION, 'head.points_head.seg_head', _SEGMENTATION_HEAD),
    *prefix_rules(_POINTS, 'head.points_head.unet', BEV_UNET),
)

_UNUSED = 'built and stored by the reference, result never used'
_DROPPED = {
    'img_backbone.layer4': f'{_UNUSED} (it executes it, too)',
    f'{_HEAD}.sgb.proj_block.scale_selection': _UNUSED,
    f'{_HEAD}.sgb.proj_block_down.scale_selection': _UNUSED,
    f'{_POINTS}.voxelize.soft_model.proj_block.scale_selection': _UNUSED,
    f'{_POINTS}.deconv_1_8__1_1': _UNUSED,
    f'{_POINTS}.deconv_1_4__1_1': _UNUSED,
}


def sgn_model_config(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """Config of the SGN that fits a checkpoint, without losses.

    Args:
        shapes: Reference key -> shape.

    Returns:
        Config of the model. The grid has the height that the weights need, over SemanticKITTI's
        box; no weight depends on its other sides.

    Raises:
        KeyError: A tensor that defines a dimension is missing.
    """
    embed_dims, image_channels = shapes['img_neck.lateral_convs.0.conv.weight'][:2]
    height = shapes[f'{_POINTS}.Encoder_block1.0.weight'][0]
    blocks = {key.split('.')[3] for key in shapes if key.startswith(f'{_HEAD}.sdb.diffusion.')}
    bottleneck = 'img_backbone.layer1.0.conv3.weight' in shapes
    return dict(
        type='mmssc.SGN',
        voxel_grid=dict(
            origin=(0, -25.6, -2),
            voxel_size=6.4 / height,
            shape=(8 * height, 8 * height, height),
        ),
        backbone=dict(
            type='mmdet.ResNet',
            depth=50 if bottleneck else 18,
            num_stages=3,
            strides=(1, 2, 2),
            dilations=(1, 1, 1),
            out_indices=(2,),
            frozen_stages=1,
            norm_cfg=dict(type='BN', requires_grad=False),
            norm_eval=True,
            style='pytorch',
        ),
        neck=dict(
            type='mmdet.FPN', in_channels=[image_channels], out_channels=embed_dims, num_outs=1
        ),
        lifter=dict(type='mmssc.FLoSP', stride=16),
        head=dict(
            type='mmssc.SGNHead',
            num_classes=shapes[f'{_HEAD}.ssc_header.mlp_head.1.weight'][0],
            embed_dims=embed_dims,
            diffusion_depth=len(blocks),
            points_head=dict(
                type='mmssc.PointOccupancyHead',
                point_channels=shapes[f'{_POINTS}.voxelize.PPmodel.0.weight'][0],
                guidance_channels=shapes[f'{_SEGMENTATION}.conv0.weight'][0],
            ),
        ),
    )


SGN = CheckpointMethod(
    name='sgn',
    rules=_RULES,
    dropped=_DROPPED,
    class_keys=(
        f'{_HEAD}.ssc_header.mlp_head.1.weight',
        f'{_HEAD}.ssc_header.mlp_head.1.bias',
        f'{_HEAD}.sem_header.mlp_head.1.weight',
        f'{_HEAD}.sem_header.mlp_head.1.bias',
    ),
    datasets={20: 'SemanticKITTI', 19: 'SSCBench-KITTI-360'},
    model_config=sgn_model_config,
)
