"""A small VoxDet-LiDAR on the synthetic streets of light_lidar_streets.py, with its window."""

_base_ = [
    '../_base_/datasets/lidar_streets.py',
    '../_base_/models/voxdet_lidar_small.py',
    '../_base_/schedules/adamw_300i_lidar.py',
    '../_base_/short_iteration_runtime.py',
]

# Points with reflectance, not voxels; the training pipeline reads them already.
points = dict(type='LoadDrivingPoints', source='velodyne', crop_to_grid=True)
test_pipeline = [points, *_base_.test_pipeline[1:]]
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

# It learns slowly: without hills.
train_pipeline = [step for step in _base_.train_pipeline if step.type != 'RaiseLidarColumns']
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

max_iters = 1500
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
optim_wrapper = dict(optimizer=dict(lr=5e-3))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=20),
    dict(type='CosineAnnealingLR', T_max=max_iters, by_epoch=False),
]
