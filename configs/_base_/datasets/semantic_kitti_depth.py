# SemanticKITTI for methods that take one image and its depth map (Symphonies). The depth lies in
# dataset/depth/SS/FFFFFF.npy; another folder and kind of file:
# dataset=dict(data_prefix=dict(depth=DIR), depth_suffix='.png').
_base_ = './semantic_kitti.py'

image_size = (370, 1220)  # top left part that every sequence has (height, width)

inputs = [
    dict(type='LoadSSCImages'),
    dict(type='LoadDepthMaps'),
    dict(type='CropSSCImages', size=image_size),
]
train_pipeline = [
    *inputs,
    dict(type='LoadVoxelLabels', scales=('1_1',)),
    dict(type='FlipSSCScene', prob=0.5),
    dict(type='FrustumTargets', cells=8),
    dict(type='PackSSCInputs'),
]
test_pipeline = [
    *inputs,
    # The test sequences have no labels.
    dict(type='LoadVoxelLabels', scales=('1_1',), optional=True),
    dict(type='PackSSCInputs'),
]

train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
