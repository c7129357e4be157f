"""A small light completor that learns synthetic rooms on two CPU cores in a few minutes.

It reads depth and the 2D segmentation; see docs/en/user_guides/synthetic_rooms.md for the data.
"""

_base_ = ['../light/light_seg_nyu.py', '../_base_/small_rooms.py']

model = dict(
    voxel_grid={{_base_.room_grid}},
    stem=dict(out_channels=16),
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
param_scheduler = {{_base_.room_scheduler}}
train_cfg = {{_base_.room_train_cfg}}
