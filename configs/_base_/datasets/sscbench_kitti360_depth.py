# SSCBench-KITTI-360 for methods that take one image and its depth map, as on SemanticKITTI.
_base_ = './sscbench_kitti360.py'

inputs = [
    dict(type='LoadDrivingImages'),
    dict(type='LoadDrivingDepth'),
    dict(type='CropDrivingImages', size=_base_.image_size),
]
train_pipeline = [
    *inputs,
    dict(type='LoadDrivingLabels', scales=('1_1',)),
    dict(type='FlipDrivingScene', prob=0.5),
    dict(type='FrustumTargets', cells=8),
    dict(type='PackSSCInputs'),
]
test_pipeline = [
    *inputs,
    dict(type='LoadDrivingLabels', scales=('1_1',), optional=True),
    dict(type='PackSSCInputs'),
]

train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
