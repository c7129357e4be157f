"""Stage 2 of CleanerS with a ResNet-50 in place of MiT-B2, in the teacher too."""

_base_ = [
    '../_base_/datasets/nyu_augmented.py',
    '../_base_/models/cleaners.py',
    '../_base_/schedules/adamw_100e_rgbd.py',
    '../_base_/default_runtime.py',
]

model = dict(
    type='mmssc.CleanerS',
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
    teacher=dict(
        checkpoint='work_dirs/cleaners-teacher_r50_nyucad/best_*.pth', tsdf_source='tsdf_clean'
    ),
    # The teacher stays out of the student's checkpoints.
    save_teacher=False,
    loss_kd_t=dict(type='mmssc.FeatureDistillationLoss', loss_weight=0.25),
    loss_kd_sc=dict(type='mmssc.ClassCenterDistillationLoss', temperature=1.0, loss_weight=0.25),
    loss_kd_sa=dict(type='mmssc.ClassAffinityDistillationLoss', loss_weight=0.25),
)
# Training reads both TSDF volumes, prediction the sensor's alone.
train_dataloader = dict(batch_size=2, drop_last=True, dataset=dict(clean_source='nyucad'))
default_hooks = dict(checkpoint=dict(save_best='ssc/SSC_mIoU_nyu', rule='greater'))
