# The synthetic streets of tools/quickstart.sh for methods that take one image and its depth map.
_base_ = './semantic_kitti_depth.py'

data_root = 'data/synthetic'
image_size = (96, 320)  # (height, width)

inputs = [
    dict(type='LoadDrivingImages'),
    dict(type='LoadDrivingDepth'),
    dict(type='CropDrivingImages', size=image_size),
]
train_pipeline = [*inputs, *_base_.train_pipeline[3:]]
test_pipeline = [*inputs, *_base_.test_pipeline[3:]]

loader = dict(num_workers=1)
train_dataloader = dict(**loader, dataset=dict(data_root=data_root, pipeline=train_pipeline))
val_dataloader = dict(**loader, dataset=dict(data_root=data_root, pipeline=test_pipeline))
test_dataloader = val_dataloader
