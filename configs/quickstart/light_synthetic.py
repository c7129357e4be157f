"""A small light completor that learns synthetic rooms on two CPU cores in a few minutes.

It reads depth and the 2D segmentation; see docs/en/user_guides/synthetic_rooms.md for the data.
"""

_base_ = [
    '../_base_/datasets/nyu_cache_seg.py',
    '../_base_/models/light.py',
    '../_base_/schedules/adamw_cpu_light.py',
    '../_base_/default_runtime.py',
]

max_epochs = 4

model = dict(
    voxel_grid=dict(voxel_size=0.12, shape=(40, 24, 40)),
    stem=dict(out_channels=16, num_segments=14),
    head=dict(channels=(16, 48, 72), hidden_channels=32),
)

# The tree that tools/dataset_converters/nyu.py prepares is read as it is, without a cache.
loader = dict(dataset=dict(data_root='data/synthetic_nyu'))
train_dataloader = loader
val_dataloader = dict(
    dataset=dict(data_root='data/synthetic_nyu', ann_file='nyu_infos_test.json', indices=None)
)
test_dataloader = loader

# 200 steps: a shorter memory than that of the long run.
custom_hooks = [
    dict(type='EMAHook', ema_type='ExponentialMovingAverage', momentum=0.03, update_buffers=True),
]
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=20),
    dict(type='CosineAnnealingLR', T_max=max_epochs, by_epoch=True, convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(max_keep_ckpts=2, save_best=None))
