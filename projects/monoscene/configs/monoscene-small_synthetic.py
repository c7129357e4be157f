"""A small MonoScene that learns synthetic streets on a CPU in a quarter of an hour.

The data are those of tools/quickstart.sh; EfficientNet-B0 from random numbers, 16 channels.
"""

_base_ = './monoscene_semantickitti.py'

data_root = 'data/synthetic'
image_size = (96, 320)
channels = 16
max_epochs = 12

model = dict(
    voxel_grid=dict(origin=(0.0, -25.6, -2.0), voxel_size=0.8, shape=(64, 64, 8)),
    feature_scale=1,
    image_unet=dict(
        name='tf_efficientnet_b0',
        out_channels=channels,
        strides=(2, 4, 8),
        decoder_channels=256,
        checkpoint=None,
    ),
    lifter=dict(strides=(2, 4, 8)),
    volume_unet=dict(channels=channels),
)

inputs = [dict(type='LoadDrivingImages'), dict(type='CropDrivingImages', size=image_size)]
train_pipeline = [
    *inputs,
    dict(type='LoadDrivingLabels', scales=('1_1', '1_4'), pool_missing=True),
    # FlipDrivingImages of the published config gives no new scenes; these few need them.
    dict(type='FlipDrivingScene', prob=0.5),
    dict(type='FrustumTargets'),
    dict(type='PackSSCInputs'),
]
test_pipeline = [*inputs, *_base_.test_pipeline[2:]]
loader = dict(num_workers=0, persistent_workers=False)
train_dataloader = dict(**loader, dataset=dict(data_root=data_root, pipeline=train_pipeline))
val_dataloader = dict(**loader, dataset=dict(data_root=data_root, pipeline=test_pipeline))
test_dataloader = val_dataloader

optim_wrapper = dict(optimizer=dict(lr=2e-3))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=30),
    dict(type='CosineAnnealingLR', T_max=max_epochs, by_epoch=True, convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
