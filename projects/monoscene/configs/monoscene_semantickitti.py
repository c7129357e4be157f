"""MonoScene on SemanticKITTI: EfficientNet-B7, 64 channels; 4 processes with 1 sample each."""

_base_ = [
    '../../../configs/_base_/datasets/semantic_kitti.py',
    '../../../configs/_base_/default_runtime.py',
    './_base_/monoscene.py',
]

image_size = (370, 1220)
train_pipeline = [
    dict(type='LoadDrivingImages'),
    dict(type='JitterDrivingColors'),
    dict(type='CropDrivingImages', size=image_size),
    dict(type='FlipDrivingImages'),
    dict(type='LoadDrivingLabels', scales=('1_1', '1_8'), pool_missing=True),
    dict(type='FrustumTargets'),
    dict(type='PackSSCInputs'),
]
test_pipeline = [
    dict(type='LoadDrivingImages'),
    dict(type='CropDrivingImages', size=image_size),
    # The test sequences have no labels.
    dict(type='LoadDrivingLabels', scales=('1_1',), optional=True),
    dict(type='PackSSCInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
