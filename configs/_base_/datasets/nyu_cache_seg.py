# NYU Depth V2 in one file, for models that read a 2D segmentation beside the depth.
_base_ = './nyu_cache.py'

inputs = ['tsdf', 'voxel_to_pixel', 'segmentation']
targets = ['gt_voxels', 'label_weight']
train_pipeline = [
    dict(type='LoadRGBDFrame', keys=[*inputs, *targets]),
    dict(type='AddRGBDViewVolumes'),
    dict(type='PackSSCInputs'),
]
test_pipeline = [
    dict(type='LoadRGBDFrame', keys=[*inputs, *targets, 'eval_masks']),
    dict(type='AddRGBDViewVolumes'),
    dict(type='PackSSCInputs'),
]
mixed_loading = [train_pipeline[0], *_base_.mixed_loading[1:]]
mixed_pipeline = [
    *mixed_loading,
    dict(type='JoinRGBDRooms', loading=mixed_loading, prob=0.5),
    dict(type='PackSSCInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
