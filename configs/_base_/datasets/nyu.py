# NYU Depth V2, prepared (or only listed, where the files of 3D-Sketch, CleanerS or AMMNet are
# there) by tools/dataset_converters/nyu.py. Where the data lies: a link data/nyu, or --cfg-options
# train_dataloader.dataset.data_root=DIR val_dataloader.dataset.data_root=DIR ...
dataset_type = 'NYUDataset'
data_root = 'data/nyu'

# A method that reads something else lists its own keys. tsdf_clean: with the clean_source of the
# data set.
inputs = ['img', 'tsdf', 'voxel_to_pixel']
targets = ['gt_voxels', 'label_weight']
train_pipeline = [
    dict(type='LoadRGBDFrame', keys=[*inputs, *targets], optional=['tsdf_clean']),
    dict(type='PackSSCInputs'),
]
test_pipeline = [
    dict(type='LoadRGBDFrame', keys=[*inputs, *targets, 'eval_masks'], optional=['tsdf_clean']),
    dict(type='PackSSCInputs'),
]

train = dict(
    type=dataset_type,
    data_root=data_root,
    ann_file='nyu_infos_train.json',
    source='nyu',
    pipeline=train_pipeline,
)
# The published methods have no validation split: they choose their checkpoint on the test frames.
val = dict(train, ann_file='nyu_infos_test.json', pipeline=test_pipeline, test_mode=True)
workers = dict(num_workers=4, persistent_workers=True)
train_dataloader = dict(
    batch_size=1, sampler=dict(type='DefaultSampler', shuffle=True), dataset=train, **workers
)
val_dataloader = dict(
    batch_size=1, sampler=dict(type='DefaultSampler', shuffle=False), dataset=val, **workers
)
test_dataloader = val_dataloader

# nyu: the figures of the indoor papers; full: every labelled voxel, as outdoors.
val_evaluator = dict(type='SSCMetric', protocols=('nyu', 'full'))
test_evaluator = val_evaluator
