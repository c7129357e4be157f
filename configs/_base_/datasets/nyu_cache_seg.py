# NYU Depth V2 in one file, for models that read a 2D segmentation beside the depth.
_base_ = './nyu_cache.py'

inputs = [*_base_.inputs, 'segmentation']
keys = [*inputs, *_base_.targets]
train_pipeline = [dict(type='LoadRGBDFrame', keys=keys), *_base_.train_pipeline[1:]]
test_pipeline = [
    dict(type='LoadRGBDFrame', keys=[*keys, 'eval_masks']),
    *_base_.test_pipeline[1:],
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
