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

optim_wrapper = dict(optimizer=dict(lr=5e-3))
