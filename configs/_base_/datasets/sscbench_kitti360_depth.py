# SSCBench-KITTI-360 for methods that take one image and its depth map, as on SemanticKITTI.
_base_ = ['./sscbench_kitti360.py', './depth_map_steps.py']

inputs = [*_base_.load_steps, dict(type='CropDrivingImages', size=_base_.image_size)]
train_pipeline = [*inputs, *_base_.train_steps]
test_pipeline = [*inputs, *_base_.test_steps]

train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
