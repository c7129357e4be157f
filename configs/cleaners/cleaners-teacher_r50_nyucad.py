"""Stage 1 of CleanerS with a ResNet-50 in place of MiT-B2."""

_base_ = [
    '../_base_/datasets/nyu_augmented.py',
    '../_base_/models/cleaners.py',
    '../_base_/schedules/adamw_100e_rgbd.py',
    '../_base_/default_runtime.py',
]

# Image, mapping, labels and weights are those of the sensor's depth; the TSDF alone is clean.
model = dict(
    tsdf_source='tsdf_clean',
    backbone=dict(
        _delete_=True,
        type='mmseg.ResNet',
        depth=50,
        out_indices=(0, 1, 2, 3),
        frozen_stages=4,
        norm_cfg=dict(type='BN', requires_grad=False),
        norm_eval=True,
        style='pytorch',
        # ImageNet weights of torchvision.
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://download.pytorch.org/models/resnet50-0676ba61.pth',
        ),
    ),
    image_head=dict(in_channels=(256, 512, 1024, 2048)),
)
train_dataloader = dict(batch_size=2, drop_last=True, dataset=dict(clean_source='nyucad'))
val_dataloader = dict(dataset=dict(clean_source='nyucad'))
test_dataloader = dict(dataset=dict(clean_source='nyucad'))
default_hooks = dict(checkpoint=dict(save_best='ssc/SSC_mIoU_nyu', rule='greater'))
