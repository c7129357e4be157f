"""Light LiDAR completor, trained on synthetic streets; its weights are in checkpoints/."""

_base_ = [
    '../_base_/datasets/lidar_streets.py',
    '../_base_/models/light_lidar.py',
    '../_base_/schedules/adamw_300i_lidar.py',
    '../_base_/short_iteration_runtime.py',
]

max_iters = 900

model = dict(train_window=(96, 96))
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
optim_wrapper = dict(optimizer=dict(lr=4e-3))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=20),
    dict(type='CosineAnnealingLR', T_max=max_iters, by_epoch=False),
]
