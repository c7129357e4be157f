"""Stage 1 of CleanerS with a ResNet-50 in place of MiT-B2."""

_base_ = './cleaners-teacher_segformer-b2_nyucad.py'

model = dict(
    backbone=dict(
        _delete_=True,
        type='mmseg.ResNet',
        depth=50,
        out_indices=(0, 1, 2, 3),
        frozen_stages=4,
        norm_cfg=dict(type='BN', requires_grad=False),
        norm_eval=True,
        style='pytorch',
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://download.pytorch.org/models/resnet50-0676ba61.pth',
        ),
    ),
    image_head=dict(in_channels=(256, 512, 1024, 2048)),
)
