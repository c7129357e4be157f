# A few real frames of NYU: those with a colour image, at full resolution, without augmentation.
_base_ = './nyu.py'

data_root = 'data/nyu'
train_pipeline = [
    dict(
        type='LoadRGBDFrame',
        keys=['img', 'tsdf', 'voxel_to_pixel', 'gt_voxels', 'label_weight'],
    ),
    dict(type='PackSSCInputs'),
]

workers = dict(num_workers=0, persistent_workers=False)
frames = dict(data_root=data_root, require=('img',))
train_dataloader = dict(
    drop_last=False,
    # Without epochs: mmengine pauses two seconds between them.
    sampler=dict(type='InfiniteSampler'),
    dataset=dict(**frames, clean_source=None, pipeline=train_pipeline),
    **workers,
)
val_dataloader = dict(dataset=frames, **workers)
test_dataloader = val_dataloader
