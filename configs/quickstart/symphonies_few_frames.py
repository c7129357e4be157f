"""A small Symphonies at SemanticKITTI's full resolution, to learn a handful of frames on a CPU.

For trying the real data path before the whole data set is there: ResNet-18 from random numbers,
16 channels, one layer, a higher learning rate, scores on the training frames.
"""

_base_ = [
    '../_base_/datasets/semantic_kitti_depth.py',
    '../_base_/models/symphonies.py',
    '../_base_/schedules/adamw_30e_step.py',
    '../_base_/default_runtime.py',
]

embed_dims = 16
max_epochs = 40

model = dict(
    backbone=dict(depth=18, norm_cfg=dict(requires_grad=True), norm_eval=False, init_cfg=None),
    neck=dict(
        in_channels=(128, 256, 512),
        embed_dims=64,
        num_layers=2,
        feedforward_channels=256,
        init_cfg=None,
    ),
    head=dict(
        in_channels=(64, 64, 64),
        embed_dims=embed_dims,
        num_queries=50,
        norm_cfg=dict(type='mmssc.DistributedBN'),
        decoder=dict(num_layers=1, num_heads=4, dropout=0.0, with_cp=False),
    ),
)

# As sharp as a few frames can be learnt.
train_pipeline = [step for step in _base_.train_pipeline if step.type != 'FlipDrivingScene']
train_dataloader = dict(num_workers=1, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(num_workers=1, dataset=dict(ann_file='semantickitti_infos_train.json'))
test_dataloader = dict(num_workers=1)

optim_wrapper = dict(
    optimizer=dict(lr=8e-3, eps=1e-8),
    # The learned volume starts as noise, which has to turn into the scene.
    paramwise_cfg=dict(custom_keys=dict(_delete_=True, scene_embed=dict(lr_mult=10.0))),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=5),
    dict(type='CosineAnnealingLR', T_max=max_epochs, by_epoch=True),
]
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
default_hooks = dict(logger=dict(interval=1))
