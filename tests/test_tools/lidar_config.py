"""The LMSCNet of the configs, smaller: two epochs of three iterations on synthetic streets."""

_base_ = ['../../configs/lmscnet/lmscnet_semantickitti.py']

custom_imports = dict(imports=['kill_hook'])
model = dict(voxel_grid=dict(voxel_size=0.8, shape=(64, 64, 8)))

# Without flips: two processes would draw others than one with the doubled batch.
train_pipeline = [
    dict(type='LoadScanOccupancy', source='voxels'),
    dict(type='LoadDrivingLabels', scales=('1_1',)),
    dict(type='PoolVoxelLabels', factors=(2, 4, 8), rule='class_first'),
    dict(type='PackSSCInputs'),
]
loader = dict(num_workers=0, persistent_workers=False)
train_dataloader = dict(**loader, batch_size=2, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(**loader, batch_size=2)
test_dataloader = val_dataloader

train_cfg = dict(max_epochs=2, val_interval=2)
# Not Adam: see street_config.py.
optim_wrapper = dict(optimizer=dict(_delete_=True, type='SGD', lr=5e-3, momentum=0.9))
default_hooks = dict(logger=dict(interval=1))
# Every figure of the log is that of one iteration, not a running mean.
log_processor = dict(window_size=1)
