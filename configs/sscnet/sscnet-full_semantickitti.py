"""SSCNet-full on SemanticKITTI: SSCNet for lidar scans, with learned up-sampling."""

_base_ = [
    '../_base_/datasets/semantic_kitti_lidar.py',
    '../_base_/models/sscnet.py',
    '../_base_/schedules/adam_80e.py',
    '../_base_/default_runtime.py',
]

# No flips.
train_pipeline = [
    dict(type='LoadScanOccupancy', source='voxels'),
    dict(type='LoadDrivingLabels', scales=('1_1',)),
    dict(type='PackSSCInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
param_scheduler = []  # a constant learning rate
