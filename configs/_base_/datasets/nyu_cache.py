# NYU Depth V2 in one file, for models that read depth alone (nyu_cache_seg.py: and a segmentation),
# written by tools/dataset_converters/nyu_cache.py. Where the data lies: a link data/nyu_cache, or
# --cfg-options train_dataloader.dataset.data_root=DIR val_dataloader.dataset.data_root=DIR ...
dataset_type = 'NYUDataset'
data_root = 'data/nyu_cache'

# Settings are chosen on these four blocks of 25 training frames, with training on the others (the
# leaves light_*_nyu_choose.py). Neighbours in the list show the same room, so single frames would
# reward learning rooms by heart. The official test frames are for the final figures alone.
held_out_frames = [n for n in range(795) if n // 25 in (3, 11, 19, 27)]
kept_frames = [n for n in range(795) if n // 25 not in (3, 11, 19, 27)]

inputs = ['tsdf', 'voxel_to_pixel']
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
# For long trainings: boxes moved by a voxel (not up and down: the floor has one height), and two
# rooms joined at a random cut.
mixed_loading = [
    # A teacher may read the segmentation.
    dict(type='LoadRGBDFrame', keys=[*inputs, *targets], optional=['segmentation']),
    dict(type='ShiftRGBDVolumes', max_shift=dict(x=1, y=1)),
    dict(type='AddRGBDViewVolumes'),
]
mixed_pipeline = [
    *mixed_loading,
    dict(type='JoinRGBDRooms', loading=mixed_loading, prob=0.5),
    dict(type='PackSSCInputs'),
]

train = dict(
    type=dataset_type,
    data_root=data_root,
    ann_file='nyu_infos_train.json',
    source='nyu',
    pipeline=train_pipeline,
)
val = dict(train, indices=held_out_frames, pipeline=test_pipeline, test_mode=True)
test = dict(train, ann_file='nyu_infos_test.json', pipeline=test_pipeline, test_mode=True)
# Reading a frame costs a few percent of a step on a CPU: no process is spent on it.
workers = dict(num_workers=0, persistent_workers=False)
train_dataloader = dict(
    batch_size=2, sampler=dict(type='DefaultSampler', shuffle=True), dataset=train, **workers
)
val_dataloader = dict(
    batch_size=2, sampler=dict(type='DefaultSampler', shuffle=False), dataset=val, **workers
)
test_dataloader = dict(val_dataloader, dataset=test)

val_evaluator = dict(type='SSCMetric', protocols=('nyu', 'full'))
test_evaluator = val_evaluator
