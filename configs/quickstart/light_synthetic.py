"""A small light completor that learns synthetic rooms on two CPU cores in a few minutes.

It reads depth and the 2D segmentation; see docs/en/user_guides/synthetic_rooms.md for the data.
"""

_base_ = '../light/light_seg_nyu.py'

data_root = 'data/synthetic_nyu'
max_epochs = 4

model = dict(
    voxel_grid=dict(voxel_size=0.12, shape=(40, 24, 40)),
    stem=dict(out_channels=16),
    head=dict(channels=(16, 48, 72), hidden_channels=32),
)

# The tree that tools/dataset_converters/nyu.py prepares is read as it is, without a cache.
loader = dict(dataset=dict(data_root=data_root))
train_dataloader = loader
val_dataloader = dict(
    dataset=dict(data_root=data_root, ann_file='nyu_infos_test.json', indices=None)
)
test_dataloader = loader

param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=20),
    dict(type='CosineAnnealingLR', T_max=max_epochs, by_epoch=True, convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
