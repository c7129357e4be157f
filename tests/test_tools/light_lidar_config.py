"""The light LiDAR completor of the configs, smaller: four iterations on synthetic streets."""

_base_ = ['../../configs/light_lidar/light_lidar_streets.py']

channels = (8, 12, 16)
model = dict(
    voxel_grid=dict(voxel_size=0.8, shape=(64, 64, 8)),
    backbone=dict(channels=channels, blocks=(1, 1, 1), volume_channels=4),
    train_window=(32, 48),
)
# The exact lidar of the streets writes its points column by column.
train_pipeline = [step for step in _base_.train_pipeline if step.type != 'ThinLidarBeams']
loader = dict(num_workers=0, persistent_workers=False)
train_dataloader = dict(**loader, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(**loader)
test_dataloader = val_dataloader

train_cfg = dict(max_iters=4, val_interval=4)
param_scheduler = [dict(type='CosineAnnealingLR', T_max=4, by_epoch=False)]
log_processor = dict(window_size=1)
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(interval=4))
