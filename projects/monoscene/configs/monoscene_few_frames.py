"""A small MonoScene at SemanticKITTI's full resolution, to learn a handful of frames on a CPU.

For trying the real data path before the whole data set is there: EfficientNet-B0 from random
numbers, 16 channels, a higher learning rate, scores on the training frames.
"""

_base_ = './monoscene_semantickitti.py'

channels = 16
max_epochs = 80

model = dict(
    image_unet=dict(
        # Unlike the tf_ one its running statistics follow within a few steps.
        name='efficientnet_b0',
        out_channels=channels,
        strides=(2, 4, 8),
        decoder_channels=256,
        checkpoint=None,
    ),
    lifter=dict(strides=(2, 4, 8)),
    volume_unet=dict(channels=channels, channels_last_head=True),
)

# As sharp as a few frames can be learnt.
augmentations = ('JitterDrivingColors', 'FlipDrivingImages')
train_pipeline = [step for step in _base_.train_pipeline if step.type not in augmentations]
# A worker beside a process of this size costs more than it saves.
loader = dict(num_workers=0, persistent_workers=False)
train_dataloader = dict(**loader, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(**loader, dataset=dict(ann_file='semantickitti_infos_train.json'))
test_dataloader = loader

optim_wrapper = dict(optimizer=dict(lr=4e-3))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=5),
    dict(type='CosineAnnealingLR', T_max=max_epochs, by_epoch=True),
]
train_cfg = dict(max_epochs=max_epochs, val_interval=40)
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(interval=10))
