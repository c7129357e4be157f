# SemanticKITTI for methods that take one image and its depth map (Symphonies). The depth lies in
# dataset/depth/SS/FFFFFF.npy; another folder and kind of file:
# dataset=dict(data_prefix=dict(depth=DIR), depth_suffix='.png').
_base_ = './semantic_kitti.py'

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
    # The test sequences have no labels.
    dict(type='LoadDrivingLabels', scales=('1_1',), optional=True),
    dict(type='PackSSCInputs'),
]

train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

# Old names, for configs of users; they go away in the next release.
load_steps = inputs[:2]
train_steps = train_pipeline[3:]
test_steps = test_pipeline[3:]
