"""A small VoxDet-LiDAR learns a handful of real scans on a CPU."""

_base_ = [
    '../_base_/datasets/semantic_kitti_few_scans.py',
    '../_base_/models/voxdet_lidar_small.py',
    '../_base_/schedules/adamw_300i_lidar.py',
    '../_base_/short_iteration_runtime.py',
]

# Points with reflectance, not voxels.
points = dict(type='LoadDrivingPoints', source='velodyne', crop_to_grid=True)
train_pipeline = [points, *_base_.train_pipeline[1:]]
test_pipeline = [points, *_base_.test_pipeline[1:]]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

# After 300 iterations it knows few classes.
max_iters = 1000
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
optim_wrapper = dict(optimizer=dict(lr=5e-3))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=20),
    dict(type='CosineAnnealingLR', T_max=max_iters, by_epoch=False),
]
