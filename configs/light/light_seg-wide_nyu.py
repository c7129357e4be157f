"""A wider light completor on depth and a 2D segmentation, with a longer schedule, for one GPU."""

_base_ = [
    '../_base_/datasets/nyu_cache_seg.py',
    '../_base_/models/light.py',
    '../_base_/schedules/adamw_cpu_light.py',
    '../_base_/default_runtime.py',
]

max_epochs = 30
lr = 3e-3

model = dict(
    stem=dict(out_channels=48, num_segments=14),
    head=dict(channels=(48, 216, 288), hidden_channels=96),
)
train_dataloader = dict(batch_size=8, drop_last=True, num_workers=6, persistent_workers=True)
val_dataloader = dict(batch_size=8, num_workers=2)
test_dataloader = dict(batch_size=8, num_workers=4)

# fused: one kernel per parameter in place of a dozen.
optim_wrapper = dict(
    type='AutocastOptimWrapper', dtype='bfloat16', optimizer=dict(lr=lr, fused=True)
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.03, by_epoch=False, begin=0, end=100),
    dict(
        type='CosineAnnealingLR',
        T_max=max_epochs,
        eta_min=1e-2 * lr,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]
train_cfg = dict(max_epochs=max_epochs)
custom_hooks = [
    dict(type='EMAHook', ema_type='ExponentialMovingAverage', momentum=0.002, update_buffers=True),
]
default_hooks = dict(
    logger=dict(interval=20), checkpoint=dict(interval=5, max_keep_ckpts=2, save_best=None)
)
auto_scale_lr = dict(base_batch_size=8)
