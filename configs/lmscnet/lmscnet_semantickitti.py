"""LMSCNet on SemanticKITTI: one scan, logits at four scales."""

_base_ = [
    '../_base_/datasets/semantic_kitti_lidar.py',
    '../_base_/models/lmscnet.py',
    '../_base_/schedules/adam_80e.py',
    '../_base_/default_runtime.py',
]

train_pipeline = [
    dict(type='LoadScanOccupancy', source='voxels'),
    dict(type='LoadDrivingLabels', scales=('1_1',)),
    # LMSCNet's own rule: not that of the FFFFFF_1_2.npy of other methods.
    dict(type='PoolVoxelLabels', factors=(2, 4, 8), rule='class_first'),
    dict(type='FlipLidarScene', axes=('x', 'y')),
    dict(type='PackSSCInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
