# SemanticKITTI for methods that take the points of the lidar scan with their reflectance (VoxDet):
# dataset/sequences/SS/velodyne/FFFFFF.bin and the labels; no images, no depth.
_base_ = './semantic_kitti.py'

inputs = [dict(type='LoadDrivingPoints', source='velodyne', crop_to_grid=True)]
train_pipeline = [
    *inputs,
    dict(type='LoadDrivingLabels', scales=('1_1',)),
    dict(type='PackSSCInputs'),
]
test_pipeline = [
    *inputs,
    # The test sequences have no labels.
    dict(type='LoadDrivingLabels', scales=('1_1',), optional=True),
    dict(type='PackSSCInputs'),
]

train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
