"""AMMNet on a 2D segmentation of DeepLabv3 that was computed before, in place of the image."""

_base_ = [
    '../_base_/datasets/nyu.py',
    '../_base_/models/ammnet.py',
    '../_base_/schedules/adamw_150e_adversarial.py',
    '../_base_/default_runtime.py',
]

model = dict(
    backbone=None,
    image_head=None,
    lifter=None,
    loss_2d=None,
    segmentation_encoder=dict(
        type='mmssc.SegmentationEncoder',
        # Ids 0 ... 13, one-hot at the voxels that a pixel hits.
        num_segments=14,
        widths=(3, 64, 256),
        norm_cfg=dict(type='mmssc.DistributedBN'),
    ),
)
inputs = ['segmentation', 'tsdf', 'voxel_to_pixel']
targets = ['gt_voxels', 'label_weight']
train_pipeline = [
    dict(type='LoadRGBDFrame', keys=[*inputs, *targets]),
    dict(type='PackSSCInputs'),
]
test_pipeline = [
    dict(type='LoadRGBDFrame', keys=[*inputs, *targets, 'eval_masks']),
    dict(type='PackSSCInputs'),
]
train_dataloader = dict(batch_size=2, drop_last=True, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
default_hooks = dict(checkpoint=dict(save_best='ssc/SSC_mIoU_nyu', rule='greater'))
