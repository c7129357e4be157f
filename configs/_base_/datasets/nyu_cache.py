# NYU Depth V2 in one file, for models that read depth alone (nyu_cache_seg.py: and a segmentation),
# written by tools/dataset_converters/nyu_cache.py. Where the data lies: a link data/nyu_cache, or
# --cfg-options train_dataloader.dataset.data_root=DIR val_dataloader.dataset.data_root=DIR ...
_base_ = './nyu.py'

data_root = 'data/nyu_cache'

# Settings are chosen on every eighth training frame, with training on the others (the leaf
# light_seg_nyu_choose.py); the official test frames are for the final figures alone.
held_out_frames = list(range(0, 795, 8))

inputs = ['tsdf', 'voxel_to_pixel']
keys = [*inputs, *_base_.targets]
train_pipeline = [
    dict(type='LoadRGBDFrame', keys=keys),
    dict(type='AddRGBDViewVolumes'),
    dict(type='PackSSCInputs'),
]
test_pipeline = [
    dict(type='LoadRGBDFrame', keys=[*keys, 'eval_masks']),
    dict(type='AddRGBDViewVolumes'),
    dict(type='PackSSCInputs'),
]

# Reading a frame costs a few percent of a step on a CPU: no process is spent on it.
workers = dict(num_workers=0, persistent_workers=False)
tested = dict(data_root=data_root, pipeline=test_pipeline)
held_out = dict(tested, ann_file='nyu_infos_train.json', indices=held_out_frames)
train_dataloader = dict(
    batch_size=2, dataset=dict(data_root=data_root, pipeline=train_pipeline), **workers
)
val_dataloader = dict(batch_size=2, dataset=held_out, **workers)
test_dataloader = dict(batch_size=2, dataset=tested, **workers)
